"""When two arrays are the same: integers and truth values exactly, floats within what rounding explains."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE = {np.dtype(np.float16): 2e-3, np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-9}

_TIMES_NOISE = 16.0


def find_difference(
    wanted: NDArray[Any], got: NDArray[Any], relative: float, noise: NDArray[np.float64] | None = None
) -> str | None:
    """Say where two arrays differ, as a person would; None where they are the same.

    Parameters
    ----------
    relative : float
        How far a float may be off, relative to itself.
    noise : ndarray, same shape, optional
        How far rounding alone moves each value (see noise.py); sixteen times that is allowed as well.
    """
    if wanted.dtype != got.dtype:
        return f"dtype {got.dtype} where numpy gives {wanted.dtype}"
    if wanted.shape != got.shape:
        return f"shape {got.shape} where numpy gives {wanted.shape}"
    if _has_same_bits(wanted, got):
        return None
    bad = _differs(wanted, got, relative, noise)
    if not bad.any():
        return None
    place = tuple(int(at) for at in np.argwhere(bad)[0])
    return f"{got[place]} where numpy gives {wanted[place]} (row {place[0]}, {int(bad.sum())} of {bad.size} values)"


def _has_same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    bits = f"u{a.itemsize}"
    return np.array_equal(np.ascontiguousarray(a).view(bits), np.ascontiguousarray(b).view(bits))


def differing_places(
    wanted: NDArray[Any], got: NDArray[Any], relative: float, noise: NDArray[np.float64] | None
) -> NDArray[np.bool_]:
    """Say for every value whether it differs by more than find_difference allows."""
    return _differs(wanted, got, relative, noise)


def differing_rows(wanted: NDArray[Any], got: NDArray[Any], relative: float) -> NDArray[np.bool_]:
    """Say for every row whether anything in it differs by more than the relative measure."""
    bad = _differs(wanted, got, relative, None)
    return np.asarray(bad.reshape(len(bad), -1).any(axis=1))


def _differs(
    wanted: NDArray[Any], got: NDArray[Any], relative: float, noise: NDArray[np.float64] | None
) -> NDArray[np.bool_]:
    if wanted.dtype.kind != "f":
        return np.asarray(wanted != got)
    with np.errstate(all="ignore"):
        a, b = wanted.astype(np.float64), got.astype(np.float64)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        least = float(np.finfo(wanted.dtype).tiny)  # below the smallest normal number nothing has digits
        allowed = relative * np.abs(a) + least
        if noise is not None:
            allowed += _TIMES_NOISE * noise
        near = np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= allowed)
    return np.asarray(~(same | near))
