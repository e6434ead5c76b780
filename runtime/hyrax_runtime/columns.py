"""One field's values: read whatever the caller holds into sound rows.

Reading repairs what loses nothing (byte order, a safe cast, a stacked array for a list) and refuses the rest with its
cure. A fault of the whole column (its dtype, its unit) is raised; a fault of rows (no value, another shape) is returned
with the row's number, so that the caller may mask it, however many rows have it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_runtime.contract import Dim, FieldContract

# Rows as read: one array (N, ...) of the recorded dtype, or a list with one entry per row, None where it is refused.
Rows = NDArray[Any] | list[Any]
PLAIN_NUMBERS = (bool, int, float, complex)


class ColumnFault(Exception):  # noqa: N818 - never leaves the runtime: the check turns it into a Problem
    """The column as a whole cannot be read."""


class _RowFault(Exception):  # noqa: N818 - as above
    """One row cannot be read; `of_kind` says that its dtype or unit is why, which a column has as a whole."""

    def __init__(self, text: str, *, of_kind: bool = False) -> None:
        super().__init__(text)
        self.of_kind = of_kind


def read_rows(field: FieldContract, values: object) -> tuple[Rows, dict[int, str]]:
    """Read a caller's column: its rows, and for each row that is refused the reason.

    Takes a list or tuple of rows, a stacked array, or anything numpy can read (a pandas Series, a torch tensor).

    Raises
    ------
    ColumnFault
        No rows can be told apart, the dtype would lose something, or the unit is another.
    """
    held = _container(field, values)
    if field.kind in ("string", "bytes"):
        return _each(held.tolist() if isinstance(held, np.ndarray) else held, _text_reader(field))
    dtype = np.dtype(field.dtype)
    if isinstance(held, np.ndarray):
        if fault := dtype_fault(held.dtype, dtype):
            raise ColumnFault(fault)
        return _of_shape(np.ascontiguousarray(held, dtype=dtype).reshape(held.shape), field.shape)
    if held and all(type(row) in PLAIN_NUMBERS for row in held):
        try:
            return _of_shape(_plain(held, dtype), field.shape)
        except _RowFault as fault:
            raise ColumnFault(str(fault)) from fault
    rows, faults = _each(held, lambda row: _read_row(row, field, dtype))
    if field.kind == "array" and field.form != "list":
        _refuse_unlike_rows(rows, faults)
    return rows, faults


def dtype_fault(given: np.dtype[Any], wanted: np.dtype[Any]) -> str:
    """Say why a dtype cannot stand for the recorded one, with the cure; empty where nothing is or was lost.

    Integers may be narrower than recorded: they hold the same values. Floats may not, since a float16 has lost its
    digits before it comes here; nor may another kind pass, since counts in the place of magnitudes are a mistake.
    """
    given = given.newbyteorder("=")
    if given == wanted or (given.kind in "iu" and wanted.kind in "iu" and np.can_cast(given, wanted, "safe")):
        return ""
    if given.kind == wanted.kind == "f" and given.itemsize < wanted.itemsize:
        return (
            f"dtype {given} where {wanted} is recorded: its digits are lost already; pass the values as {wanted.name!r}"
        )
    if given.kind == wanted.kind:
        return f"dtype {given} where {wanted} is recorded, and a cast could lose digits; pass .astype({wanted.name!r})"
    return f"dtype {given} where {wanted} is recorded; convert it to {wanted.name} before the call"


def shape_fault(given: tuple[int, ...], wanted: tuple[Dim, ...]) -> str:
    """Say how a row's shape differs from the recorded one, free dimensions aside; empty where it does not."""
    if len(given) == len(wanted) and all(
        isinstance(dim, str) or dim == size for size, dim in zip(given, wanted, strict=True)
    ):
        return ""
    hint = ""
    fixed = [dim for dim in wanted if isinstance(dim, int)]
    if len(fixed) == len(wanted) and sorted(given) == sorted(fixed):
        hint = "; the axes seem to stand in another order"
    elif len(given) == 1 < len(wanted) == len(fixed) and given[0] == math.prod(fixed):
        hint = f"; the row is flattened: reshape it, or in Parquet use nested lists or the metadata shape {list(fixed)}"
    elif len(given) == len(wanted) - 1 and given == wanted[1:]:
        hint = "; an axis is missing: the first axis of the column is the batch axis N"
    return f"row shape {_shape(given)} where {_shape(wanted)} is recorded{hint}"


def unit_fault(unit: object, field: FieldContract) -> str:
    """Say that values come in another unit than the recorded one; empty where either says nothing of its unit."""
    if unit is None or field.unit is None or str(unit) == field.unit:
        return ""
    return f"in {unit} where {field.unit} is recorded; pass .to({field.unit!r}).value"


def _unit_of(values: object) -> object:
    """The unit that values carry: as astropy's do, as those of unyt and pint, or as xarray's among `attrs`."""
    for name in ("unit", "units"):
        if (unit := getattr(values, name, None)) is not None:
            return unit
    attributes = getattr(values, "attrs", None)
    return attributes.get("units") if isinstance(attributes, dict) else None


def _is_masked(values: object) -> bool:
    """Whether a value is masked in an array that knows of masks: numpy's own, or astropy's."""
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else getattr(values, "mask", None)
    return isinstance(mask, np.ndarray | np.bool_) and mask.dtype == bool and bool(mask.any())


def _container(field: FieldContract, values: object) -> NDArray[Any] | Sequence[Any]:
    """Return an array of at least one axis (never of objects), or a list or tuple of rows."""
    if type(values) is not np.ndarray:
        if _is_masked(values):
            raise ColumnFault("a masked array with masked values; fill them before the call: .filled(np.nan)")
        if fault := unit_fault(_unit_of(values), field):
            raise ColumnFault(fault)
        if isinstance(values, (list, tuple)):
            return values
        if values is None or isinstance(values, (str, bytes, dict, set)) or np.isscalar(values):
            raise ColumnFault(f"a {type(values).__name__} is no column; give a list of rows, or an array (N, ...)")
        try:
            values = np.asarray(values)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ColumnFault(f"a {type(values).__name__} cannot be read as an array: {error}") from error
    if values.ndim == 0:
        raise ColumnFault("no batch axis; for one record use predict_one, or give a list with one row")
    return values.tolist() if values.dtype.kind == "O" and values.ndim == 1 else values


def _each(held: Sequence[Any], read: Callable[[Any], Any]) -> tuple[list[Any], dict[int, str]]:
    """Read row by row; where every row that has a value is of the wrong kind, it is the column that is."""
    rows: list[Any] = []
    faults: dict[int, _RowFault] = {}
    for number, row in enumerate(held):
        try:
            rows.append(read(row))
        except _RowFault as fault:
            rows.append(None)
            faults[number] = fault
    of_kind = [fault for fault in faults.values() if fault.of_kind]
    if of_kind and len(of_kind) == sum(row is not None for row in held):
        raise ColumnFault(f"{'every row: ' if len(held) > 1 else ''}{of_kind[0]}")
    return rows, {number: str(fault) for number, fault in faults.items()}


def _of_shape(values: NDArray[Any], wanted: tuple[Dim, ...]) -> tuple[Rows, dict[int, str]]:
    """Return an array as it is, or all of its rows as refused: they are of another shape."""
    fault = shape_fault(values.shape[1:], wanted)
    if not fault:
        return values, {}
    if not len(values):
        raise ColumnFault(fault)
    return [None] * len(values), dict.fromkeys(range(len(values)), fault)


def _text_reader(field: FieldContract) -> Callable[[Any], str | bytes]:
    wanted, other = (str, "bytes; decode it") if field.kind == "string" else (bytes, "str; encode it")

    def read(row: Any) -> str | bytes:
        if isinstance(row, np.ndarray) and row.ndim == 0:
            row = row[()]
        # joined, and not str(row): that of a member of a str enumeration is its name
        if isinstance(row, str) and wanted is str:
            return "".join((row,))
        if isinstance(row, bytes) and wanted is bytes:
            return b"".join((row,))
        if isinstance(row, (str, bytes)):
            raise _RowFault(f"{other} before the call: {wanted.__name__} is recorded", of_kind=True)
        if wanted is bytes and isinstance(row, (bytearray, memoryview)):
            return bytes(row)
        if row is None:
            raise _RowFault("no value (None)")
        raise _RowFault(f"{type(row).__name__} where {wanted.__name__} is recorded", of_kind=True)

    return read


def _plain(held: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read plain Python numbers, nested or not, which have no width of their own."""
    try:
        natural = np.asarray(held)
    except ValueError as error:
        raise _RowFault("nested lists of differing length do not make an array") from error
    leaves = list(_leaves(held))
    given = set(map(type, leaves))
    if natural.size and ((bool in given and dtype.kind != "b") or (dtype.kind == "b" and given != {bool})):
        kinds = " and ".join(sorted(kind.__name__ for kind in given))
        raise _RowFault(f"{kinds} where {dtype} is recorded; convert it before the call", of_kind=True)
    if given == {int} and dtype.kind in "iu":  # numpy makes floats of an int beyond int64 beside a small one
        info = np.iinfo(dtype)
        if not info.min <= min(leaves) <= max(leaves) <= info.max:
            raise _RowFault(f"a number does not fit into {dtype}")
        return np.array(held, dtype=dtype)
    if natural.dtype.kind == "O":
        raise _RowFault(f"a number does not fit into {dtype}")
    scalar = natural.dtype.type().item()
    if natural.size and np.result_type(dtype, scalar) != dtype:
        raise _RowFault(f"{type(scalar).__name__} where {dtype} is recorded; convert it before the call", of_kind=True)
    try:
        with np.errstate(over="raise"):
            made = np.array(held, dtype=dtype)
    except (OverflowError, FloatingPointError) as error:
        raise _RowFault(f"a number does not fit into {dtype}") from error
    if int in given and dtype.kind in "fc" and any(_has_more_digits(leaf, dtype) for leaf in leaves):
        raise _RowFault(f"a whole number has more digits than {dtype} holds; convert it before the call")
    return made


def _has_more_digits(leaf: Any, dtype: np.dtype[Any]) -> bool:
    return type(leaf) is int and abs(leaf) > 1 << np.finfo(dtype).nmant and int(dtype.type(leaf).real) != leaf


def _leaves(held: Any) -> Iterator[Any]:
    if isinstance(held, (list, tuple)):
        for each in held:
            yield from _leaves(each)
    else:
        yield held


def _read_row(row: Any, field: FieldContract, dtype: np.dtype[Any]) -> NDArray[Any]:
    if row is None:
        raise _RowFault("no value (None)")
    if isinstance(row, (list, tuple)) or type(row) in PLAIN_NUMBERS:
        made = _read_nested(row, field, dtype)
    else:
        _refuse_masked_or_of_another_unit(row, field)
        made = row if isinstance(row, np.ndarray) else _array_of(row)
    if made.dtype != dtype and (fault := dtype_fault(made.dtype, dtype)):
        raise _RowFault(fault, of_kind=True)
    if fault := shape_fault(made.shape, field.shape):
        raise _RowFault(fault)
    # ascontiguousarray makes a 0-d array 1-d
    return np.ascontiguousarray(made, dtype=dtype).reshape(made.shape)


def _read_nested(row: Any, field: FieldContract, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read nested lists: plain numbers take the recorded dtype, arrays and numpy scalars among them have their own."""
    plain: list[Any] = []
    dtypes: set[np.dtype[Any]] = set()
    for leaf in _leaves(row):
        if type(leaf) in PLAIN_NUMBERS:
            plain.append(leaf)
            continue
        if leaf is None or isinstance(leaf, (str, bytes)):
            raise _RowFault(f"{leaf!r} is no number, where {dtype} is recorded")
        _refuse_masked_or_of_another_unit(leaf, field)
        dtypes.add(leaf.dtype if isinstance(leaf, np.generic | np.ndarray) else _array_of(leaf).dtype)
    if not dtypes:
        return _plain(row, dtype)
    # each is judged alone: what numpy promotes them to together hides what one of them has lost
    for one in sorted(dtypes, key=str):
        if fault := dtype_fault(one, dtype):
            raise _RowFault(fault, of_kind=True)
    if plain:
        _plain(plain, dtype)
    return _array_of(row, dtype)


def _refuse_masked_or_of_another_unit(value: Any, field: FieldContract) -> None:
    if _is_masked(value):
        raise _RowFault("masked values; fill them before the call: .filled(np.nan)")
    if fault := unit_fault(_unit_of(value), field):
        raise _RowFault(fault, of_kind=True)


def _array_of(row: Any, dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
    try:
        return np.asarray(row, dtype=dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _RowFault(f"a {type(row).__name__} cannot be read as an array: {error}") from error


def _refuse_unlike_rows(rows: list[Any], faults: dict[int, str]) -> None:
    """Free dimensions differ from batch to batch; within one stacked batch they are the same: that of most rows."""
    shapes = Counter(row.shape for row in rows if row is not None)
    if len(shapes) < 2:
        return
    ((common, _),) = shapes.most_common(1)
    for number, row in enumerate(rows):
        if row is not None and row.shape != common:
            rows[number] = None
            faults[number] = f"row shape {_shape(row.shape)} beside {_shape(common)}: one batch is one array"


def _shape(shape: Sequence[Dim]) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
