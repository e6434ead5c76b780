"""When two arrays are the same: integers and truth values exactly, floats within what rounding explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE = {np.dtype(np.float16): 2e-3, np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-9}


@dataclass(frozen=True)
class Yardstick:
    """How far a slot may be off: `relative`, of the value itself or of what usually stands in its place (`scale`)."""

    relative: float
    scale: NDArray[np.float64]


def make_yardstick(ordinary: NDArray[Any], relative: float) -> Yardstick:
    """Measure what usually stands in each place, over the rows of an ordinary batch.

    A difference of two near numbers may come out as small as it likes; rounding is as large as the numbers were.
    """
    size = np.abs(ordinary.astype(np.float64))
    size[~np.isfinite(size)] = 0
    return Yardstick(relative, size.max(axis=0, initial=0.0))


def find_difference(wanted: NDArray[Any], got: NDArray[Any], yardstick: Yardstick | None) -> str | None:
    """Say where two arrays differ, as a person would; None where they are the same."""
    if wanted.dtype != got.dtype:
        return f"dtype {got.dtype} where numpy gives {wanted.dtype}"
    if wanted.shape != got.shape:
        return f"shape {got.shape} where numpy gives {wanted.shape}"
    bad = _differs(wanted, got, yardstick)
    if not bad.any():
        return None
    place = tuple(int(at) for at in np.argwhere(bad)[0])
    return f"{got[place]} where numpy gives {wanted[place]} (row {place[0]}, {int(bad.sum())} of {bad.size} values)"


def _differs(wanted: NDArray[Any], got: NDArray[Any], yardstick: Yardstick | None) -> NDArray[np.bool_]:
    if wanted.dtype.kind != "f" or yardstick is None:
        return np.asarray(wanted != got)
    with np.errstate(all="ignore"):
        a, b = wanted.astype(np.float64), got.astype(np.float64)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        scale = yardstick.scale if yardstick.scale.shape == a.shape[1:] else 0.0
        least = float(np.finfo(wanted.dtype).tiny)  # below the smallest normal number nothing has digits
        allowed = yardstick.relative * np.maximum(np.abs(a), scale) + least
        near = np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= allowed)
    return np.asarray(~(same | near))
