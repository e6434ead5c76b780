"""One table out of several Parquet files: the type, unit and row shape that a column has in all of them.

Files of one folder are often written on different nights, by different programs. What changes no value may differ: the
order of the columns, whether they may be null, how wide the offsets of a text are, a part in which a column holds
nothing but null. What may change a value is refused: another type, another unit, another row shape. Needs the extra
`arrow`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from hyrax_runtime.arrow_columns import Leaf, is_list, metadata_text, stated_shape

_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)


def share_column(found: Sequence[tuple[Path, Leaf]]) -> Leaf:
    """Return one column of several files as what it is in all of them.

    Raises
    ------
    TypeError
        Two files contradict one another; both are named.
    """
    _refuse_two("is in", found[0][1].name, [(path, metadata_text(leaf.field, b"unit")) for path, leaf in found])
    _refuse_two("has rows of the shape", found[0][1].name, [(path, _shape_of(path, leaf)) for path, leaf in found])
    first, leaf = found[0]
    kind = leaf.field.type
    for path, other in found[1:]:
        both = common_type(kind, other.field.type)
        if both is None:
            raise TypeError(_contradiction("is", leaf.name, (path, other.field.type), (first, kind)))
        if not both.equals(kind):
            first, kind = path, both
    metadata = {key: value for _, each in reversed(found) for key, value in (each.field.metadata or {}).items()}
    return Leaf(leaf.parts, pa.field(leaf.field.name, kind, metadata=metadata))


def _shape_of(path: Path, leaf: Leaf) -> str | None:
    """What a file says of the row shape of a list; nothing where the column is no list, or has no values."""
    try:
        shape = stated_shape(leaf.field) if is_list(leaf.field.type) else None
    except TypeError as error:
        raise TypeError(f"{path}: column {leaf.name!r}: {error}") from error
    if shape is None:
        return "that its type has" if is_list(leaf.field.type) else None
    return str(list(shape))


def _refuse_two(verb: str, name: str, stated: Sequence[tuple[Path, str | None]]) -> None:
    said = [(path, value) for path, value in stated if value is not None]
    for path, value in said[1:]:
        if value != said[0][1]:
            raise TypeError(_contradiction(verb, name, (path, value), said[0]))


def _contradiction(verb: str, name: str, here: tuple[Path, Any], there: tuple[Path, Any]) -> str:
    return f"{here[0]}: column {name!r} {verb} {here[1]} here and {there[1]} in {there[0].name}; write all files alike"


def common_type(one: Any, other: Any) -> Any:
    """Return the type in which the values of both can stand as they are; None where there is none.

    Examples
    --------
    >>> str(common_type(pa.list_(pa.null()), pa.large_list(pa.float32())))
    'large_list<item: float>'
    >>> common_type(pa.int32(), pa.int64()) is None
    True
    """
    if one.equals(other):
        return one
    one, other = _decoded(one), _decoded(other)
    if pa.types.is_null(one) or pa.types.is_null(other):
        return other if pa.types.is_null(one) else one
    if is_list(one) and is_list(other):
        return _common_list(one, other)
    for tests, wide in ((_TEXTS, pa.large_string()), (_BYTES, pa.large_binary())):
        if all(any(test(kind) for test in tests) for kind in (one, other)):
            return wide
    return one if one.equals(other) else None


def _common_list(one: Any, other: Any) -> Any:
    inner = common_type(one.value_type, other.value_type)
    if inner is None or _width(one) != _width(other):
        return None
    if pa.types.is_large_list(one) or pa.types.is_large_list(other):
        return pa.large_list(inner)
    return pa.list_(inner, _width(one))


def _width(kind: Any) -> int:
    """The size of lists of fixed size, else -1, as pyarrow counts."""
    return int(kind.list_size) if pa.types.is_fixed_size_list(kind) else -1


def _decoded(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def without_null_type(kind: Any, value: Any, rank: int) -> Any:
    """Return a type with `value` for what holds nothing but null, and so has no type; `rank` is that of a row.

    Examples
    --------
    >>> str(without_null_type(pa.list_(pa.null()), pa.float32(), 1))
    'list<item: float>'
    """
    if is_list(kind):
        inner = without_null_type(kind.value_type, value, max(0, rank - 1))
        if inner.equals(kind.value_type):
            return kind
        return pa.large_list(inner) if pa.types.is_large_list(kind) else pa.list_(inner, _width(kind))
    if not pa.types.is_null(kind):
        return kind
    for _ in range(rank):
        value = pa.list_(value)
    return value


def as_type(array: Any, kind: Any) -> Any:
    """Return an array as the type that its column has in all files."""
    if isinstance(array, pa.DictionaryArray) and not pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
    return array if array.type.equals(kind) else array.cast(kind)
