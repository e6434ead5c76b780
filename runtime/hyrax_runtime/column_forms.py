"""The form and the elements in which `to_tensor` met a column in training: give them, and see that they are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_runtime.columns import Rows, shape_fault
from hyrax_runtime.contract import Dim, FieldContract


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
    if field.element == "python" and dtype.kind in "iu":
        return _int_test(dtype)
    return _type_test(type(dtype.type().item()) if field.element == "python" else dtype.type)


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


def _int_test(dtype: np.dtype[Any]) -> Callable[[Any], int]:
    least, greatest = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    is_int = _type_test(int)

    def count(values: Any) -> int:
        rows = is_int(values)
        return rows if rows <= 0 or (least <= min(values) and max(values) <= greatest) else -1

    return count


def _never(values: Any) -> int:
    return -1
