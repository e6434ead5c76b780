"""What one row of a field may be, and how rows become a list or a stacked array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hyrax_runtime.contract import Element
from numpy.typing import NDArray

from hyrax_pack.errors import DataError

_PYTHON = (bool, int, float, str, bytes, list, tuple)


def native(value: Any, where: Callable[[], str]) -> Any:
    """Return a row as production has it: a plain array in this machine's byte order.

    FITS files give big-endian arrays, which nothing behind us reads. What a masked array or a quantity holds besides
    its values would be there in training alone.

    Raises
    ------
    DataError
        It is an array of another class than numpy's own; `where` is asked for its place.
    """
    if not isinstance(value, np.ndarray):
        return value
    if type(value) is not np.ndarray:
        value = _plain(value, where)
    return value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("="))


def _plain(value: NDArray[Any], where: Callable[[], str]) -> NDArray[Any]:
    """An array of numpy's own class; one that is mapped from a file is one already, in all but its name."""
    if isinstance(value, np.memmap):
        return np.asarray(value)
    if isinstance(value, np.ma.MaskedArray):
        what = "a masked array, whose mask production would not have; return np.ma.filled(value, fill), such as NaN"
    else:
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        what = f"a {name}, of which production would have the numbers alone; return a plain array: np.asarray(value)"
        what += ", in the unit that is meant" if hasattr(value, "unit") else ""
    raise DataError(f"{where()}: {what}")


def element_of(value: Any, where: str) -> Element:
    """Say what one row is: an ndarray (`array`), a numpy scalar (`scalar`) or a plain Python value (`python`).

    Raises
    ------
    DataError
        It is none of these, such as a torch tensor or None; or an array of objects.
    """
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise DataError(f"{where}: an array of Python objects; give numbers of one dtype, or a str for text")
        return "array"
    if isinstance(value, np.generic):
        return "scalar"
    if isinstance(value, _PYTHON):
        return "python"
    if value is None:
        raise DataError(f"{where}: None; a row needs a value, such as NaN or -1, or leave the field out of `fields`")
    cure = "return value.numpy()" if hasattr(value, "numpy") else "return a numpy array, a number or a str"
    raise DataError(f"{where}: a {type(value).__module__}.{type(value).__name__}; {cure}")


def row_shape(value: Any) -> tuple[int, ...]:
    """Return the shape of one row; () for a number or a text."""
    return value.shape if isinstance(value, np.ndarray) else np.shape(value)


def stack(rows: Sequence[Any], where: str) -> NDArray[Any]:
    """Return rows of one shape as an array of shape (N, …).

    Raises
    ------
    DataError
        A row has another shape than the first; the message names both.
    """
    shapes = [row_shape(row) for row in rows]
    for position, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise DataError(
                f"{where}: a row of shape {shape} among rows of shape {shapes[0]} (position {position} of the batch), "
                "where prepare_inputs gets stacked arrays; give the data set a collate function for this field"
            )
    return np.stack(rows) if isinstance(rows[0], np.ndarray) else np.asarray(rows)
