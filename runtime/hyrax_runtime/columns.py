"""One field's values: read whatever the caller holds into sound rows, and give them the form that training used.

Reading repairs what loses nothing (byte order, a safe cast, a stacked array for a list) and refuses the rest with its
cure. A fault of the whole column is raised; a fault of one row is returned with the row's number, so that the caller
may mask it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_runtime.contract import Dim, FieldContract

# Rows as read: one array (N, ...) of the recorded dtype, or a list with one entry per row, None where it is refused.
Rows = NDArray[Any] | list[Any]
PLAIN_NUMBERS = (bool, int, float, complex)


class ColumnFault(Exception):  # noqa: N818 - never leaves the runtime: the check turns it into a Problem
    """The column as a whole cannot be read."""


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
        fault = dtype_fault(held.dtype, dtype) or shape_fault(held.shape[1:], field.shape)
        if fault:
            raise ColumnFault(fault)
        return np.ascontiguousarray(held, dtype=dtype).reshape(held.shape), {}
    if held and all(type(row) in PLAIN_NUMBERS for row in held):
        return _plain_column(held, dtype, field.shape), {}
    rows, faults = _each(held, lambda row: _read_row(row, dtype, field.shape))
    if faults and len(set(faults.values())) == 1 and len(faults) == len(rows) > 1:
        raise ColumnFault(f"every row: {faults[0]}")
    if field.kind == "array" and field.form != "list":
        _refuse_unlike_rows(rows, faults)
    return rows, faults


def as_recorded(field: FieldContract, rows: Rows) -> Any:
    """Give sound rows (none refused) the form and the elements that `to_tensor` met in training."""
    if field.kind in ("string", "bytes"):
        return _recorded_text(field, list(rows))
    if field.form != "list" and field.kind == "array" and (field.form == "stacked" or field.element == "array"):
        return _stacked(field, rows)
    if field.element == "python":
        return rows.tolist() if isinstance(rows, np.ndarray) else [row.tolist() for row in rows]
    if field.element == "scalar":
        return list(rows) if isinstance(rows, np.ndarray) else [row[()] for row in rows]
    return [np.asarray(row) for row in rows]


def count_if_recorded(field: FieldContract) -> Callable[[Any], int]:
    """Return a quick test: the number of rows of a column that stands in the recorded form already, else -1.

    A caller in a loop passes the same kind of thing every time; this is what it costs then.
    """
    if field.kind == "array" and (field.form == "stacked" or (field.form, field.element) == ("collated", "array")):
        return _stacked_test(np.dtype(field.dtype), field.shape)
    if field.form != "list":
        return _never
    if field.kind in ("string", "bytes"):
        plain = {"python": {"string": str, "bytes": bytes}, "scalar": {"string": np.str_, "bytes": np.bytes_}}
        return _type_test(plain[field.element][field.kind]) if field.element != "array" else _never
    dtype = np.dtype(field.dtype)
    if field.element == "array":
        return _row_test(dtype, field.shape)
    if field.shape or field.kind == "ragged":
        return _never
    return _type_test(type(dtype.type().item()) if field.element == "python" else dtype.type)


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
    elif len(given) == len(wanted) - 1:
        hint = "; an axis is missing: the first axis of the column is the batch axis N"
    return f"row shape {_shape(given)} where {_shape(wanted)} is recorded{hint}"


def _container(field: FieldContract, values: object) -> NDArray[Any] | Sequence[Any]:
    """Return an array of at least one axis (never of objects), or a list or tuple of rows."""
    if type(values) is not np.ndarray:
        if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
            raise ColumnFault("a masked array with masked values; fill them before the call: .filled(np.nan)")
        unit = getattr(values, "unit", None)
        if unit is not None and field.unit is not None and str(unit) != field.unit:
            raise ColumnFault(f"in {unit} where {field.unit} is recorded; pass .to({field.unit!r}).value")
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
    rows: list[Any] = []
    faults: dict[int, str] = {}
    for number, row in enumerate(held):
        try:
            rows.append(read(row))
        except ColumnFault as fault:
            rows.append(None)
            faults[number] = str(fault)
    return rows, faults


def _text_reader(field: FieldContract) -> Callable[[Any], str | bytes]:
    wanted, other = (str, "bytes; decode it") if field.kind == "string" else (bytes, "str; encode it")

    def read(row: Any) -> str | bytes:
        if isinstance(row, np.ndarray) and row.ndim == 0:
            row = row[()]
        if isinstance(row, str) and wanted is str:
            return str(row)
        if isinstance(row, bytes) and wanted is bytes:
            return bytes(row)
        if isinstance(row, (str, bytes)):
            raise ColumnFault(f"{other} before the call: {wanted.__name__} is recorded")
        if wanted is bytes and isinstance(row, (bytearray, memoryview)):
            return bytes(row)
        raise ColumnFault(f"{type(row).__name__} where {wanted.__name__} is recorded")

    return read


def _plain_column(held: Sequence[Any], dtype: np.dtype[Any], shape: tuple[Dim, ...]) -> NDArray[Any]:
    """Read a list of plain Python numbers, which have no width of their own."""
    values = _plain(held, dtype)
    fault = shape_fault(values.shape[1:], shape)
    if fault:
        raise ColumnFault(fault)
    return values


def _plain(held: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        natural = np.asarray(held)
    except ValueError as error:
        raise ColumnFault("nested lists of differing length do not make an array") from error
    if natural.dtype.kind not in "biufc":
        raise ColumnFault(f"{_leaf(held)!r} is no number, where {dtype} is recorded")
    scalar = natural.dtype.type().item()
    if natural.size and np.result_type(dtype, scalar) != dtype:
        raise ColumnFault(f"{type(scalar).__name__} where {dtype} is recorded; convert it before the call")
    try:
        with np.errstate(over="raise"):
            return np.array(held, dtype=dtype)
    except (OverflowError, FloatingPointError) as error:
        raise ColumnFault(f"a number does not fit into {dtype}") from error


def _leaf(held: Any) -> Any:
    while isinstance(held, (list, tuple)) and held:
        held = held[0]
    return held


def _read_row(row: Any, dtype: np.dtype[Any], shape: tuple[Dim, ...]) -> NDArray[Any]:
    if isinstance(row, (list, tuple)) or type(row) in PLAIN_NUMBERS:
        if isinstance(_leaf(row), (np.ndarray, np.generic)):
            row = _array_of(row)
        else:
            row, given = _plain(row, dtype), dtype
    elif row is None:
        raise ColumnFault("no value (None)")
    if not isinstance(row, np.ndarray):
        row = _array_of(row)
    elif isinstance(row, np.ma.MaskedArray) and np.ma.getmaskarray(row).any():
        raise ColumnFault("masked values; fill them before the call: .filled(np.nan)")
    given = row.dtype
    fault = ("" if given == dtype else dtype_fault(given, dtype)) or shape_fault(row.shape, shape)
    if fault:
        raise ColumnFault(fault)
    # ascontiguousarray makes a 0-d array 1-d
    return np.ascontiguousarray(row, dtype=dtype).reshape(row.shape)


def _array_of(row: Any) -> NDArray[Any]:
    try:
        return np.asarray(row)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ColumnFault(f"a {type(row).__name__} cannot be read as an array: {error}") from error


def _refuse_unlike_rows(rows: list[Any], faults: dict[int, str]) -> None:
    """Free dimensions differ from batch to batch; within one stacked batch they are the same."""
    sound = [row for row in rows if row is not None]
    for number, row in enumerate(rows):
        if row is not None and row.shape != sound[0].shape:
            rows[number] = None
            faults[number] = f"row shape {_shape(row.shape)} beside {_shape(sound[0].shape)}: one batch is one array"


def _stacked(field: FieldContract, rows: Rows) -> NDArray[Any]:
    if isinstance(rows, np.ndarray):
        return rows
    if rows:
        return np.stack(rows)
    return np.empty((0, *(0 if isinstance(dim, str) else dim for dim in field.shape)), dtype=field.dtype)


def _recorded_text(field: FieldContract, rows: list[Any]) -> Any:
    numpy_type: Any = np.str_ if field.kind == "string" else np.bytes_
    if field.form != "list" and (field.form == "stacked" or field.element == "array"):
        return np.array(rows, dtype=numpy_type)
    if field.element == "python":
        return rows
    if field.element == "scalar":
        return [numpy_type(row) for row in rows]
    return [np.asarray(row, dtype=numpy_type) for row in rows]


def _stacked_test(dtype: np.dtype[Any], shape: tuple[Dim, ...]) -> Callable[[Any], int]:
    array = np.ndarray
    free = any(isinstance(dim, str) for dim in shape)

    def count(values: Any) -> int:
        if type(values) is not array or values.dtype != dtype or not values.flags.c_contiguous:
            return -1
        given = values.shape
        if given[1:] == shape or (free and given and not shape_fault(given[1:], shape)):
            return given[0] if given else -1
        return -1

    return count


def _row_test(dtype: np.dtype[Any], shape: tuple[Dim, ...]) -> Callable[[Any], int]:
    array = np.ndarray
    free = any(isinstance(dim, str) for dim in shape)

    def count(values: Any) -> int:
        if type(values) is not list:
            return -1
        for row in values:
            if type(row) is not array or row.dtype != dtype or not row.flags.c_contiguous:
                return -1
            if row.shape != shape and not (free and not shape_fault(row.shape, shape)):
                return -1
        return len(values)

    return count


def _type_test(wanted: type) -> Callable[[Any], int]:
    def count(values: Any) -> int:
        if type(values) is not list:
            return -1
        for row in values:
            if type(row) is not wanted:
                return -1
        return len(values)

    return count


def _never(values: Any) -> int:
    return -1


def _shape(shape: Sequence[Dim]) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
