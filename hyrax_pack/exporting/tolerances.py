"""From errors to tolerances: column by column and row by row, so that nothing hides beside something large.

A row's error is set against the row's own size. Of an output of several columns (places of the axis along which the
sizes differ most) each has figures of its own:

    allowed = max(tolerance, relative x the row's magnitude)
    tolerance = max(16 x floor, 8 ulp at the scale)      0 for integers and bools

`floor` is the greatest error of rows up to the magnitude `scale`, `relative` 16 times the greatest relative error of
the brighter ones. Where that scale lies is chosen so that both together allow the least.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hyrax_runtime.difference import MOST_PLACES, Allowance, along, row_magnitudes, usual_magnitudes
from numpy.typing import NDArray

from hyrax_pack.errors import NoiseError
from hyrax_pack.exporting.trials import Trial

Figures = NDArray[np.float64]

FLOORS_ALLOWED = 16
ULPS_ALLOWED = 8
# A tolerance wider than this share of a column's scale would let wrong graphs through.
GREATEST_SHARE = 0.05
# A row this many times noisier than the median row is judged by its own noise. Where more rows than MOST_ROUGH are, the
# noise is simply uneven, and the next factor is tried.
ROUGH_FACTORS = (64.0, 1024.0, 16384.0)
MOST_ROUGH = 0.1
# Where float32 and float64 part on more rows than this, it is not decisions that differ but the whole computation.
MOST_UNSTABLE = 0.05
# Up to which share of the rows the floor may be measured; the rest, brighter, are held to their relative error.
_SHARES = (1.0, 0.9, 0.75, 0.5)
_CLEARLY_BETTER = 1.5
# A column whose float32 error is less by luck, or exact, is allowed what the others need, up to this many epsilon.
_EPSILONS_OF_LUCK = 4
# onnxruntime takes numbers below the least normal one for zero.
_LEAST_NORMAL = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Noise:
    """Noise floor, scale and tolerances of one output: one of each for every place of `axis`, or one in all.

    `slack` is by how much more each row of the pool may differ: 1 for most; more for rows that are far noisier than the
    others, by their own noise; infinite for those on which float32 and float64 take different decisions (another class,
    another branch of a mixture), which have to agree with one of the two. `others` is the same for batches of other
    rows. `blurred` are the places where rounding is more than a small share of the answer.
    """

    floor: Figures
    scale: Figures
    tolerance: Figures
    relative: Figures
    axis: int | None
    slack: Figures
    others: tuple[tuple[Trial, Figures], ...]
    blurred: tuple[int, ...] = ()

    @property
    def allowance(self) -> Allowance:
        """What is allowed, as the manifest says it."""
        return Allowance(self.plain(self.tolerance), self.plain(self.relative), self.axis)

    @property
    def unstable(self) -> frozenset[int]:
        """Rows of the pool on which float32 and float64 take different decisions."""
        return frozenset(np.flatnonzero(np.isinf(self.slack)).tolist())

    def plain(self, figures: Figures) -> float | tuple[float, ...]:
        """One number, or a tuple with one for each place of the axis."""
        values = tuple(map(float, figures))
        return values[0] if self.axis is None else values

    def slack_of(self, trial: Trial) -> Figures:
        """Return every row's slack in a batch."""
        if trial.rows is not None:
            return self.slack[list(trial.rows)]
        return next((slack for other, slack in self.others if other is trial), np.ones(trial.size))

    def allowed(self, wanted: NDArray[Any], slack: Figures) -> Figures:
        """Return what is allowed at every place of an answer; rows of infinite slack get the ordinary measure."""
        usual = np.where(np.isinf(slack), 1.0, slack)
        return self.allowance.at(wanted) * along(usual[:, None], None, wanted.ndim)


def tolerance_of(floor: float, scale: float, dtype: np.dtype[Any]) -> float:
    """Return max(16 x floor, 8 ulp at `scale`), and 0 for anything but floats.

    Examples
    --------
    >>> tolerance_of(1e-3, 1.0, np.dtype("float32"))
    0.016
    >>> tolerance_of(0.0, 1.0, np.dtype("float32")) == 8 * 2.0**-23
    True
    """
    if dtype.kind != "f":
        return 0.0
    return max(FLOORS_ALLOWED * floor, ULPS_ALLOWED * ulp_at(scale, dtype))


def ulp_at(scale: float, dtype: np.dtype[Any]) -> float:
    """Return the distance of neighbouring numbers at `scale`; unlike numpy.spacing, for the greatest number too.

    Examples
    --------
    >>> ulp_at(1.0, np.dtype("float32")) == 2.0**-23
    True
    """
    facts = np.finfo(dtype)
    least = float(facts.smallest_subnormal)
    return max(math.ldexp(1.0, math.frexp(scale)[1] - 1 - facts.nmant), least) if scale else least


def choose_axis(values: NDArray[Any]) -> int | None:
    """Return the axis of 2 to 256 places along which their magnitudes differ most; None where there is none."""
    axes = [axis for axis in range(1, values.ndim) if 2 <= values.shape[axis] <= MOST_PLACES]
    return max(reversed(axes), key=lambda axis: _spread_along(values, axis), default=None)


def exact(rows: int) -> Noise:
    """Return the noise of integers and bools: none."""
    nothing = np.zeros(1)
    return Noise(nothing, nothing, nothing, nothing, None, np.ones(rows), ())


def derive(
    name: str,
    errors: Figures,
    sizes: Figures,
    others: Sequence[Trial],
    *,
    dtype: np.dtype[Any],
    axis: int | None,
    lucky: tuple[float, float],
) -> Noise:
    """Derive the tolerances of one output.

    Parameters
    ----------
    name : str
        The output's, for messages.
    errors, sizes : ndarray, shape (rows, places)
        Each row's greatest error, and its magnitude. The pool's rows come first, then those of `others`.
    others : sequence of Trial
        Batches of other rows.
    dtype : dtype
    axis : int or None
    lucky : pair of float
        Least and greatest number of epsilon that a place without error of its own may borrow.

    Raises
    ------
    NoiseError
        Rounding moves the output by so much that no comparison could tell a right graph from a wrong one.
    """
    pool = len(errors) - sum(trial.size for trial in others)
    rough = _rough(errors, sizes, pool, dtype)
    floor, scale, relative = _fit(errors[~rough], sizes[~rough], dtype, lucky)
    tolerance = np.array([tolerance_of(f, s, dtype) for f, s in zip(floor, scale, strict=True)])
    there = (sizes > 0).any(axis=0)
    blurred = (tolerance > GREATEST_SHARE * scale) & (floor > _LEAST_NORMAL) & there
    if blurred.any() and blurred[there].all():
        worst = int(np.argmax(floor))
        raise NoiseError(
            f"output {name!r}: float32 rounding alone moves it by {floor[worst]:.2g} at a scale of {scale[worst]:.2g}; "
            "a comparison could not tell a right graph from a wrong one. Normalise the inputs in to_tensor, or compute "
            "the ill-conditioned part of the model there in float64"
        )
    relative = np.minimum(relative, GREATEST_SHARE)
    slack = _slack(errors, sizes, rough, np.maximum(tolerance, relative * sizes), blurred)
    _check_unstable(name, slack[:pool])
    parts = np.split(slack[pool:], np.cumsum([trial.size for trial in others])[:-1])
    places = tuple(np.flatnonzero(blurred).tolist())
    beside = tuple(zip(others, parts, strict=False))
    return Noise(floor, scale, tolerance, relative, axis, slack[:pool], beside, places)


def _check_unstable(name: str, slack: Figures) -> None:
    parted = int(np.isinf(slack).sum())
    if parted > MOST_UNSTABLE * len(slack):
        raise NoiseError(
            f"output {name!r}: on {parted} of {len(slack)} rows float32 and float64 take different decisions; a "
            "comparison could not tell a right graph from a wrong one. Look for a threshold, an argmax or a division "
            "that lies on the edge for such rows, and decide it in to_tensor"
        )


def _spread_along(values: NDArray[Any], axis: int) -> float:
    usual = np.array(usual_magnitudes(row_magnitudes(values, axis)))
    usual = usual[usual > 0]
    return float(usual.max() / usual.min()) if usual.size else 1.0


def _rough(errors: Figures, sizes: Figures, pool: int, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    """Flag the rows whose noise, at their own magnitude, is far beyond that of the median row."""
    if not len(errors):
        return np.zeros(0, dtype=bool)
    least = np.maximum(sizes, usual_magnitudes(sizes))
    shares = np.where(least > 0, errors / np.where(least > 0, least, 1.0), 0.0)
    usual = np.maximum(np.median(shares[:pool], axis=0), float(np.finfo(dtype).eps) / 2)
    excess = (shares / usual).max(axis=1, initial=0.0)
    for factor in ROUGH_FACTORS:
        rough = excess > factor
        if rough[:pool].sum() <= MOST_ROUGH * pool:
            return np.asarray(rough)
    return np.zeros(len(errors), dtype=bool)


def _fit(
    errors: Figures, sizes: Figures, dtype: np.dtype[Any], lucky: tuple[float, float]
) -> tuple[Figures, Figures, Figures]:
    """Floor, scale and relative tolerance of each place: those that together allow the least."""
    epsilon = float(np.finfo(dtype).eps)
    best = [np.zeros(errors.shape[1])] * 3
    least = np.full(errors.shape[1], np.inf)
    for share in _SHARES:
        scale = np.array([_scale_of(column, share) for column in sizes.T])
        ordinary = sizes <= scale
        floor = np.where(ordinary, errors, 0.0).max(axis=0, initial=0.0)
        floor = _without_luck(floor, scale, epsilon, lucky)
        bright = np.where(ordinary, 0.0, errors / np.where(sizes > 0, sizes, 1.0)).max(axis=0, initial=0.0)
        bright = _without_luck(bright, np.ones_like(bright), epsilon, (1.0, lucky[1]))
        floor = np.maximum(floor, _LEAST_NORMAL)
        scale = np.maximum(scale, floor)
        tolerance = np.array([tolerance_of(f, s, dtype) for f, s in zip(floor, scale, strict=True)])
        relative = FLOORS_ALLOWED * bright
        allowed = np.log(np.maximum(tolerance, relative * sizes)).mean(axis=0) if len(sizes) else np.log(tolerance)
        better = allowed < least - math.log(_CLEARLY_BETTER)
        best = [np.where(better, new, old) for new, old in zip((floor, scale, relative), best, strict=True)]
        least = np.where(better, allowed, least)
    return best[0], best[1], best[2]


def _scale_of(sizes: Figures, share: float) -> float:
    """The magnitude up to which this share of the rows lies, of those that are not zero."""
    there = np.sort(sizes[sizes > 0])
    return float(there[max(math.ceil(share * len(there)) - 1, 0)]) if len(there) else 0.0


def _without_luck(floor: Figures, scale: Figures, epsilon: float, lucky: tuple[float, float]) -> Figures:
    """Raise the floor of a place to what the median place has, at its own scale, within bounds."""
    shares = floor[scale > 0] / scale[scale > 0]
    usual = float(np.median(shares)) if len(shares) else 0.0
    return np.maximum(floor, min(max(usual, lucky[0] * epsilon), lucky[1] * epsilon) * scale)


def _slack(
    errors: Figures, sizes: Figures, rough: NDArray[np.bool_], allowed: Figures, blurred: NDArray[np.bool_]
) -> Figures:
    """What every row is allowed more than the ordinary: 1; by its own noise; or infinitely, where decisions part."""
    slack = np.ones(len(errors))
    if not rough.any():
        return slack
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        own = np.where(errors > 0, FLOORS_ALLOWED * errors / allowed, 0.0).max(axis=1, initial=1.0)
    slack[rough] = np.maximum(own, np.median(own[rough]))[rough]
    least = np.maximum(sizes, usual_magnitudes(sizes))
    parted = ((errors > GREATEST_SHARE / FLOORS_ALLOWED * least) & ~blurred).any(axis=1)
    slack[rough & parted] = np.inf
    return slack
