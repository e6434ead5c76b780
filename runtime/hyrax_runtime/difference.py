"""How far two arrays are apart, where NaN equals only NaN in the same place, and nothing is equal by being unlike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_runtime.frozen import Frozen

ULPS_OF_A_COLUMN = 64
# An axis of more places than this is held to one tolerance.
MOST_PLACES = 256
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


class Allowance(Frozen):
    """How far a value may be off: the greater of `tolerance` and `relative` times its row's own magnitude.

    A row's magnitude is its greatest finite value, at the same place of `axis`; `tolerance` and `relative` are one
    number each, or one for each place of that axis. So neither a column of large numbers nor a bright row hides what is
    wrong beside it.
    """

    tolerance: float | tuple[float, ...]
    relative: float | tuple[float, ...] = 0.0
    axis: int | None = None

    def at(self, wanted: NDArray[Any]) -> NDArray[np.float64]:
        """Return what is allowed at every place of `wanted`, in a shape that broadcasts to its own.

        Examples
        --------
        >>> Allowance((1e-6, 1e-1), (1e-6, 0.0), axis=1).at(np.array([[1.0, 1e7], [1e3, 0.0]]))
        array([[1.e-06, 1.e-01],
               [1.e-03, 1.e-01]])
        """
        rows = row_magnitudes(wanted, self.axis)
        allowed = np.maximum(np.asarray(self.tolerance, np.float64), np.asarray(self.relative, np.float64) * rows)
        return along(allowed, self.axis, wanted.ndim)


def row_magnitudes(values: NDArray[Any], axis: int | None = None) -> NDArray[np.float64]:
    """Return each row's greatest finite absolute value, for each place of `axis`: (rows, places), one place for None.

    0 where there is none, and for what is no number.
    """
    places = 1 if axis is None else values.shape[axis]
    if values.dtype.kind not in "iufc" or values.size == 0:
        return np.zeros((len(values), places))
    sizes = np.abs(values.astype(np.complex128 if values.dtype.kind == "c" else np.float64))
    sizes = np.where(np.isfinite(sizes), sizes, 0.0)
    sizes = sizes if axis is None else np.moveaxis(sizes, axis, 1)
    return np.asarray(sizes.reshape(len(values), places, -1).max(axis=2, initial=0.0))


def usual_magnitudes(rows: NDArray[np.float64]) -> list[float]:
    """Return the median magnitude of each place over the rows that are not zero there; 0.0 where all are."""
    return [float(np.median(column[column > 0])) if (column > 0).any() else 0.0 for column in rows.T]


def along(figures: NDArray[np.float64], axis: int | None, ndim: int) -> NDArray[np.float64]:
    """Shape figures of (rows, places of `axis`) so that they broadcast to an array of `ndim` axes."""
    shape = [1] * ndim
    if ndim:
        shape[0] = figures.shape[0]
    if axis is not None:
        shape[axis] = figures.shape[1]
    return figures.reshape(shape)


class Apart(Frozen):
    """The place of two arrays that comes closest to what is allowed there, or goes beyond it the furthest."""

    difference: float
    allowed: float
    place: tuple[int, ...]

    @property
    def share(self) -> float:
        """How much of what is allowed the difference takes; infinite where nothing is."""
        if self.difference == 0:
            return 0.0
        return self.difference / self.allowed if self.allowed else math.inf

    @property
    def within(self) -> bool:
        """Whether the two agree, at this place and so at every other."""
        return self.difference <= self.allowed


def compare(wanted: NDArray[Any], got: NDArray[Any], allowed: NDArray[np.float64]) -> Apart:
    """Find where two arrays of one shape are furthest apart, measured by what is allowed at each place."""
    return worst_of(differences(wanted, got), allowed)


def worst_of(apart: NDArray[np.float64], allowed: NDArray[np.float64]) -> Apart:
    """Find the place where a difference takes the most of what is allowed there."""
    if apart.size == 0:
        return Apart(0.0, 0.0, ())
    allowed = np.broadcast_to(allowed, apart.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(apart == 0, 0.0, apart / allowed)
    flat = int(share.argmax())
    if share.flat[flat] == 0:  # nowhere apart: then the strictest place is the one to show
        flat = int(allowed.argmin())
    place = tuple(map(int, np.unravel_index(flat, apart.shape)))
    return Apart(float(apart[place]), float(allowed[place]), place)


def differences(wanted: NDArray[Any], got: NDArray[Any]) -> NDArray[np.float64]:
    """Return how far two arrays of one shape are apart at every place; see `greatest_difference` for what is infinite.

    Raises
    ------
    ValueError
        The shapes differ.
    """
    if wanted.shape != got.shape:
        raise ValueError(f"shapes differ: {wanted.shape} and {got.shape}")
    kinds = wanted.dtype.kind + got.dtype.kind
    if any(kind not in "iufc" for kind in kinds):
        return np.where(wanted == got, 0.0, np.inf)
    wide = np.complex128 if "c" in kinds else np.float64
    one, other = wanted.astype(wide), got.astype(wide)
    whole = all(kind in "iu" for kind in kinds)
    equal = wanted == got if whole else (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore", over="ignore"):  # two finite values may be infinitely far apart
        apart = np.abs(one - other)
    if whole:  # neighbours beyond 2^53 are one in float64
        return np.where(equal, 0.0, np.maximum(apart, 1.0))
    finite = np.isfinite(one) & np.isfinite(other)
    return np.where(equal, 0.0, np.where(finite, apart, np.inf))


def rounding_allowance(wanted: NDArray[Any]) -> Allowance:
    """Return what another numpy's vector loops may differ by: floats by 64 ulp at each column's own scale.

    64, since columns come out of subtractions as well: a colour of 0.5 is the difference of two magnitudes of 20.
    """
    return _allowance(wanted, ULPS_OF_A_COLUMN * _epsilon(wanted))


def lowering_allowance(wanted: NDArray[Any]) -> Allowance:
    """Return what a graph may differ by from the numpy code it was lowered from, column by column."""
    return _allowance(wanted, max(LOWERING_ALLOWED.get(wanted.dtype.name, 0.0), ULPS_OF_A_COLUMN * _epsilon(wanted)))


def _allowance(wanted: NDArray[Any], relative: float) -> Allowance:
    axis = wanted.ndim - 1 if wanted.ndim > 1 and wanted.shape[-1] <= MOST_PLACES else None
    rows = row_magnitudes(wanted, axis)
    places = tuple([relative * usual for usual in usual_magnitudes(rows)])
    return Allowance(places if axis is not None else places[0], relative, axis)


def _epsilon(values: NDArray[Any]) -> float:
    return float(np.finfo(values.dtype).eps) if values.dtype.kind in "fc" else 0.0


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
