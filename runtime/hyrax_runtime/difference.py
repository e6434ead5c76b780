"""How far two arrays are apart, where NaN equals only NaN in the same place, and nothing is equal by being unlike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

ULPS_ALLOWED = 8
LOWERING_ALLOWED = {"float16": 1e-3, "float32": 2e-5, "float64": 1e-9}


def greatest_difference(wanted: NDArray[Any], got: NDArray[Any]) -> float:
    """Return the greatest absolute difference of two arrays of the same shape.

    A NaN beside a number, infinities of different sign, an infinity beside a number: infinity. Values of dtypes that
    cannot be subtracted (bool, text) differ by 0 or infinity. Empty arrays differ by 0. float16 and float32 are
    subtracted in float64.

    Raises
    ------
    ValueError
        The shapes differ.

    Examples
    --------
    >>> greatest_difference(np.array([1.0, np.nan]), np.array([1.5, np.nan]))
    0.5
    >>> greatest_difference(np.array([1.0, np.nan]), np.array([np.nan, 1.0]))
    inf
    """
    if wanted.shape != got.shape:
        raise ValueError(f"shapes differ: {wanted.shape} and {got.shape}")
    if wanted.size == 0:
        return 0.0
    kinds = wanted.dtype.kind + got.dtype.kind
    if any(kind not in "iufc" for kind in kinds):
        return 0.0 if np.array_equal(wanted, got) else math.inf
    if all(kind in "iu" for kind in kinds):
        return _integer_difference(wanted, got)
    return _float_difference(wanted, got)


def rounding_tolerance(wanted: NDArray[Any]) -> float:
    """Return 8 ulp at the array's scale: what another numpy's vector loops may differ by. 0 for anything but floats."""
    return 0.0 if wanted.dtype.kind not in "fc" else ULPS_ALLOWED * float(np.finfo(wanted.dtype).eps) * _scale(wanted)


def lowering_tolerance(wanted: NDArray[Any]) -> float:
    """Return what a graph may differ by from the numpy code it was lowered from, at the array's scale."""
    return LOWERING_ALLOWED.get(wanted.dtype.name, 0.0) * _scale(wanted)


def _scale(values: NDArray[Any]) -> float:
    if values.dtype.kind not in "fc":
        return 0.0
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0


def _integer_difference(wanted: NDArray[Any], got: NDArray[Any]) -> float:
    unequal = wanted != got
    if not unequal.any():
        return 0.0
    # Python's integers: int64 minus uint64 would pass through float64 or wrap around
    return float(max(abs(int(a) - int(b)) for a, b in zip(wanted[unequal], got[unequal], strict=True)))


def _float_difference(wanted: NDArray[Any], got: NDArray[Any]) -> float:
    wide = np.complex128 if "c" in wanted.dtype.kind + got.dtype.kind else np.float64
    wanted, got = wanted.astype(wide), got.astype(wide)
    equal = (wanted == got) | (np.isnan(wanted) & np.isnan(got))
    if equal.all():
        return 0.0
    wanted, got = wanted[~equal], got[~equal]
    if not (np.isfinite(wanted).all() and np.isfinite(got).all()):
        return math.inf
    with np.errstate(over="ignore"):  # two finite values may be infinitely far apart, and then inf is the answer
        return float(np.abs(wanted - got).max())
