"""Arrow columns as rows: which columns hold values, what their row shape is, nulls, and the way down into structs.

`candidate.magpsf` is a number inside a struct, `prv_candidates.magpsf` a light curve: a list of structs is read as one
list for each of its members, since a row of a field holds values of one dtype. A row's shape comes from nested
fixed-size lists, from the Arrow tensor extension, or from the field's metadata `shape`. A null among floats is NaN,
which is how tables store NaN; any other null is a row without a value. Needs the extra `arrow`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hyrax_runtime.frozen import Frozen

# What Parquet puts between a list and the members of its elements, by whoever wrote the file.
_LIST_WORDS = ("list", "element", "item", "array", "bag", "array_element")


class Leaf(Frozen):
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
            list_of = pa.large_list if pa.types.is_large_list(field.type) else pa.list_
            for leaf in find_leaves(field.type.value_type, parts):
                yield Leaf(leaf.parts, leaf.field.with_type(list_of(leaf.field.type)))
        else:
            yield Leaf(parts, field)


def is_list_of_structs(kind: Any) -> bool:
    """Whether rows are lists, of any length, of structs."""
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(is_list and pa.types.is_struct(kind.value_type))


def is_list(kind: Any) -> bool:
    """Whether rows are lists, of one length or any."""
    return any(is_one(kind) for is_one in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def metadata_text(field: Any, key: bytes) -> str | None:
    """Return what a field's metadata says under a key, None for nothing; what is no UTF-8 stands there escaped."""
    text = (field.metadata or {}).get(key, b"").strip()
    return text.decode("utf-8", "backslashreplace") if text else None


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


def column_rows(column: pa.Array, field: pa.Field) -> NDArray[Any] | list[Any]:
    """Return a column's rows: one array (N, ...) where all have one shape and a value, else a list with one entry each.

    Raises
    ------
    TypeError
        The column's type holds neither numbers nor text; or its metadata states no shape where it should.
    """
    rows = _rows(column)
    shape = stated_shape(field)
    if shape is None or not is_list(field.type):
        return rows
    if isinstance(rows, np.ndarray):
        return _reshaped(rows, (len(rows), *shape))
    return [None if row is None else _reshaped(np.asarray(row), shape) for row in rows]


def id_rows(ids: Any) -> NDArray[Any] | list[Any]:
    """Return ids without nulls as numpy has them: dates, and times without a zone, beside what a field may hold."""
    column = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    kind = column.type
    if pa.types.is_duration(kind) or pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None):
        stamps: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return stamps
    return _rows(column)


def _rows(column: pa.Array) -> NDArray[Any] | list[Any]:
    kind = column.type
    if isinstance(kind, pa.FixedShapeTensorType):
        return _tensor_rows(column)
    if isinstance(column, pa.ExtensionArray):
        return _rows(column.storage)
    if isinstance(column, pa.DictionaryArray):
        return _rows(column.dictionary_decode())
    if is_list(kind):
        return _list_rows(column)
    if pa.types.is_floating(kind):
        values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return _number_rows(column)
    if _is_text(kind):
        texts: list[Any] = column.to_pylist()
        return texts
    raise TypeError(f"values of type {kind} are neither numbers nor text; convert the column")


def _tensor_rows(column: pa.Array) -> NDArray[Any] | list[Any]:
    """Take tensors out of their storage: `to_numpy_ndarray` gives 0 for a null inside one, and NaN is meant."""
    axes = column.type.permutation
    if axes is not None and list(axes) != sorted(axes):
        raise TypeError(f"its tensors are stored with permuted axes {list(axes)}; write them in C order")
    rows, shape = _rows(column.storage), tuple(column.type.shape)
    if isinstance(rows, np.ndarray):
        return rows.reshape(len(column), *shape)
    return [row.reshape(shape) if isinstance(row, np.ndarray) else row for row in rows]


def _is_text(kind: pa.DataType) -> bool:
    tests = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view", "fixed_size_binary")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _number_rows(column: pa.Array) -> NDArray[Any] | list[Any]:
    if not column.null_count:
        values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values
    zero = pa.scalar(0).cast(column.type)
    filled = column.fill_null(zero).to_numpy(zero_copy_only=False)
    absent = column.is_null().to_numpy(zero_copy_only=False)
    return [None if missing else value for value, missing in zip(filled, absent, strict=True)]


def _list_rows(column: pa.Array) -> NDArray[Any] | list[Any]:
    """Take lists apart: one array where they have one length and no row is absent, else row by row."""
    inner = _rows(column.flatten())
    absent = column.is_null().to_numpy(zero_copy_only=False)
    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    if pa.types.is_fixed_size_list(column.type):
        lengths = np.where(absent, 0, column.type.list_size)
    uniform = lengths.size > 0 and not absent.any() and bool((lengths == lengths[0]).all())
    if isinstance(inner, np.ndarray) and (uniform or lengths.size == 0):
        width = int(lengths[0]) if uniform else getattr(column.type, "list_size", 0)
        return inner.reshape(len(column), width, *inner.shape[1:])
    stops = np.cumsum(lengths)
    return [
        None if missing else _row(inner[stop - length : stop])
        for stop, length, missing in zip(stops, lengths, absent, strict=True)
    ]


def _row(values: Any) -> Any:
    if isinstance(values, np.ndarray) or any(value is None or isinstance(value, list) for value in values):
        return values
    if len({np.shape(value) for value in values}) == 1:
        return np.asarray(values)
    return [np.asarray(value).tolist() for value in values]


def stated_shape(field: pa.Field) -> tuple[int, ...] | None:
    """Return the row shape that a field's metadata states; TypeError where it is no list of numbers."""
    text = (field.metadata or {}).get(b"shape")
    if text is None:
        return None
    try:
        dims = json.loads(text.decode("utf-8").strip().replace("(", "[").replace(")", "]").replace(",]", "]"))
    except ValueError as error:
        raise TypeError(f"metadata shape {text!r} is no list of numbers, such as [3, 63, 63]") from error
    dims = [dims] if type(dims) is int else dims
    if not isinstance(dims, list) or not all(type(dim) is int and dim >= 0 for dim in dims):
        raise TypeError(f"metadata shape {text!r} is no list of numbers, such as [3, 63, 63]")
    return tuple(dims)


def _reshaped(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        return values.reshape(shape)
    except ValueError:
        return values  # the contract's check names both shapes


def empty_column(kind: pa.DataType) -> pa.Array:
    """Return a column of no rows."""
    if isinstance(kind, pa.BaseExtensionType):  # which pa.array cannot make from nothing
        return pa.ExtensionArray.from_storage(kind, empty_column(kind.storage_type))
    return pa.array([], kind)


def first_line(error: BaseException) -> str:
    """Return what pyarrow says first; the rest are its own files and lines."""
    return str(error).strip().partition("\n")[0]
