"""How far apart two sound computations of this very model are: its rounding noise, from which tolerances follow.

    tolerance = max(16 x noise floor, 8 ulp at the output's scale)        0 for integers and bools

The noise floor of an output is the greatest error of the float32 model against the same model in float64, pooled over
all rows tried. Where the model cannot run in float64, the spread of float32 over permuted batches of several sizes
stands in (over another set of kernels, where that is zero), and the report says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.errors import NoiseError, OutputFormError
from hyrax_pack.exporting.answering import Answering, Outputs, lost_axis
from hyrax_pack.exporting.slots import take
from hyrax_pack.exporting.trials import Trial
from hyrax_pack.exporting.watching import OperatorWatch, UserCode, first_line

FLOORS_ALLOWED = 16
ULPS_ALLOWED = 8
# A tolerance wider than this share of the output's scale would let wrong graphs through.
GREATEST_SHARE = 0.05
# A row whose float32 error is this many times the median row's has taken another decision, not another rounding.
DECISION_FACTOR = 1000
# Where more rows than this share do so, it is not decisions that differ but the whole computation.
MOST_UNSTABLE = 0.1


@dataclass(frozen=True)
class Answer:
    """What the model says to one trial, in float32 and, where it can, in float64."""

    trial: Trial
    narrow: Outputs
    wide: Outputs | None


@dataclass(frozen=True)
class Noise:
    """Noise floor, scale and tolerance of one output.

    `unstable` counts the rows on which float32 and float64 take different decisions (another class, another branch of
    a mixture): they are left out of the floor, and the graph has to agree with one of the two there.
    """

    floor: float
    scale: float
    tolerance: float
    unstable: int = 0


@dataclass(frozen=True)
class NoiseReport:
    """The noise of every output; `reference` is `float64` or `float32 spread`, `reason` why the latter."""

    outputs: dict[str, Noise]
    reference: str
    reason: str | None


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


def answer_trials(reference: Answering, trials: Sequence[Trial]) -> list[Answer]:
    """Run the model on every trial, in float32. Made-up rows that the model itself refuses are left out.

    Raises
    ------
    ExportError
        The model raises for rows of the data, loses the batch axis, or changes its outputs from batch to batch.
    """
    answers: list[Answer] = []
    for trial in trials:
        with UserCode() as attempt:
            outputs = reference.run_checked(trial.slots, trial.size, trial.label)
            if answers:
                check_same_outputs(answers[0].narrow, outputs, trial.label)
            answers.append(Answer(trial, outputs, None))
        if attempt.error is not None and not trial.made_up:
            raise attempt.error
    return answers


def answer_wide(reference: Answering, answers: Sequence[Answer], *, joint: bool) -> tuple[list[Answer], str | None]:
    """Add the float64 answers; where rows are independent, the pool's stand for every batch cut from it.

    Returns
    -------
    answers : list of Answer
        `wide` is None throughout where the model cannot run in float64.
    reason : str or None
        Why it cannot, or which operator stays in float32.
    """
    watch = OperatorWatch()
    done: list[Answer] = []
    with UserCode() as attempt:
        with watch:
            reference.run(answers[0].trial.slots if joint else take(answers[0].trial.slots, [0]), wide=True)
        pool = reference.run(answers[0].trial.slots, wide=True)
        for answer in answers:
            rows = answer.trial.rows
            if answer is answers[0]:
                wide = pool
            elif rows is None or joint:
                wide = reference.run(answer.trial.slots, wide=True)
            else:
                wide = {name: values[list(rows)] for name, values in pool.items()}
            done.append(Answer(answer.trial, answer.narrow, wide))
    if attempt.error is not None:
        return list(answers), f"the model cannot run in float64: {first_line(attempt.error)}"
    if watch.narrow:
        operator, line = next(iter(watch.narrow.items()))
        return done, f"{operator} stays below float64 ({line})"
    return done, None


def measure_noise(reference: Answering, answers: Sequence[Answer], reason: str | None) -> NoiseReport:
    """Derive every output's tolerance from the answers, the first of which is the pool's.

    Raises
    ------
    NoiseError
        float32 rounding moves an output by so much that no comparison could tell a right graph from a wrong one.
    """
    stands_in = reason is not None or any(answer.wide is None for answer in answers)
    other_kernels: Outputs | None = None
    if stands_in:
        other_kernels = reference.run_other_kernels(answers[0].trial.slots)
    measured = {name: _measure_output(name, answers, other_kernels) for name in answers[0].narrow}
    return NoiseReport(measured, "float32 spread" if stands_in else "float64", reason)


def row_errors(narrow: NDArray[Any], wide: NDArray[Any]) -> NDArray[np.float64]:
    """Return each row's greatest difference, over the places where both are finite."""
    if narrow.size == 0:
        return np.zeros(len(narrow))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(narrow.astype(np.float64) - wide.astype(np.float64))
    apart[~(np.isfinite(narrow) & np.isfinite(wide))] = 0.0
    return np.asarray(apart.reshape(len(apart), -1).max(axis=1))


def check_same_outputs(first: Outputs, other: Outputs, what: str) -> None:
    """Refuse a model whose outputs differ in name, dtype or number of axes from batch to batch."""
    if list(first) != list(other):
        raise OutputFormError(
            f"the model answers {', '.join(other)} for {what}, and {', '.join(first)} for other batches"
        )
    for name, values in other.items():
        was = first[name]
        if values.ndim != was.ndim:
            raise OutputFormError(lost_axis(name, values.shape, what, f"{was.shape} for {len(was)} rows"))
        if values.dtype != was.dtype:
            raise OutputFormError(f"output {name!r} is {values.dtype} for {what}, and {was.dtype} for other batches")


def _measure_output(name: str, answers: Sequence[Answer], other_kernels: Outputs | None) -> Noise:
    first = answers[0].narrow[name]
    if first.dtype.kind != "f":
        return Noise(0.0, 0.0, 0.0)
    errors = np.concatenate([*_wide_errors(name, answers), *_spread(name, answers, other_kernels), np.zeros(1)])
    scale = max(_scale(answer.narrow[name]) for answer in answers)
    noise = _noise(errors, scale, first.dtype)
    if noise.tolerance > GREATEST_SHARE * scale > 0:
        usual = max(float(np.median(errors)), ulp_at(scale, first.dtype))
        steady = errors[errors <= DECISION_FACTOR * usual]
        if len(errors) - len(steady) <= MOST_UNSTABLE * len(errors):
            noise = _noise(steady, scale, first.dtype, unstable=len(errors) - len(steady))
    if noise.tolerance > GREATEST_SHARE * scale > 0:
        raise NoiseError(
            f"output {name!r}: float32 rounding alone moves it by {noise.floor:.2g} at a scale of {scale:.2g}; a "
            "comparison could not tell a right graph from a wrong one. Normalise the inputs in to_tensor, or compute "
            "the ill-conditioned part of the model there in float64"
        )
    return noise


def _noise(errors: NDArray[np.float64], scale: float, dtype: np.dtype[Any], unstable: int = 0) -> Noise:
    floor = float(errors.max())
    return Noise(floor, scale, tolerance_of(floor, scale, dtype), unstable)


def _wide_errors(name: str, answers: Sequence[Answer]) -> Iterator[NDArray[np.float64]]:
    for answer in answers:
        if answer.wide is not None:
            yield row_errors(answer.narrow[name], answer.wide[name])


def _spread(name: str, answers: Sequence[Answer], other_kernels: Outputs | None) -> Iterator[NDArray[np.float64]]:
    if other_kernels is None:
        return
    pool = answers[0].narrow[name]
    apart = [
        row_errors(answer.narrow[name], pool[list(answer.trial.rows)])
        for answer in answers
        if answer.trial.rows is not None
    ]
    yield from apart
    if not any(errors.any() for errors in apart):
        yield row_errors(pool, other_kernels[name])


def _scale(values: NDArray[Any]) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0
