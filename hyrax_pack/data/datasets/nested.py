"""Columns inside structs, by dotted names: `candidate.magpsf` is a number, `prv_candidates.magpsf` a light curve.

A list of structs is read as one list for each of its members, since a row of a field holds values of one dtype.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# What Parquet puts between a list and the members of its elements, by whoever wrote the file.
_LIST_WORDS = ("list", "element", "item", "array", "bag", "array_element")


@dataclass(frozen=True)
class Leaf:
    """One column that holds values: its way down through structs and lists, and what it is as a column of its own."""

    parts: tuple[str, ...]
    field: Any

    @property
    def name(self) -> str:
        """The dotted name."""
        return ".".join(self.parts)


def find_leaves(fields: Any, above: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Yield every column that holds values, in the order of the file.

    Examples
    --------
    >>> schema = pa.schema([("id", pa.int64()), ("curve", pa.list_(pa.struct([("mag", pa.float32())])))])
    >>> [(leaf.name, str(leaf.field.type)) for leaf in find_leaves(schema)]
    [('id', 'int64'), ('curve.mag', 'list<item: float>')]
    """
    for field in fields:
        parts = (*above, field.name)
        if pa.types.is_struct(field.type):
            yield from find_leaves(field.type, parts)
        elif is_list_of_structs(field.type):
            for leaf in find_leaves(field.type.value_type, parts):
                yield Leaf(leaf.parts, leaf.field.with_type(pa.list_(leaf.field.type)))
        else:
            yield Leaf(parts, field)


def is_list_of_structs(kind: Any) -> bool:
    """Whether rows are lists, of any length, of structs."""
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(is_list and pa.types.is_struct(kind.value_type))


def storage_name(leaf: Leaf, file: Any) -> str:
    """Return how a Parquet file names a leaf, so that its neighbours in the struct are not read with it."""
    for index in range(len(file.schema)):
        path = file.schema.column(index).path
        if tuple(part for part in path.split(".") if part not in _LIST_WORDS) == leaf.parts:
            return str(path)
    return leaf.parts[0]


def descend(array: Any, parts: tuple[str, ...]) -> Any:
    """Return the values of a leaf, out of its top column."""
    for position, part in enumerate(parts):
        if is_list_of_structs(array.type):
            values = descend(array.values, parts[position:])
            mask = array.is_null() if array.null_count else None
            return type(array).from_arrays(array.offsets, values, mask=mask)
        array = pc.struct_field(array, part)
    return array
