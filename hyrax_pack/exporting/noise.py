"""How far apart two sound computations of this very model are: its rounding noise, from which tolerances follow.

The noise of an output is the error of the float32 model against the same model in float64, over all rows tried. Where
the model cannot run in float64, the spread of float32 over permuted batches of several sizes and over another set of
kernels stands in, and the report says so. `hyrax_pack.exporting.tolerances` turns errors into tolerances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hyrax_runtime.difference import row_magnitudes
from numpy.typing import NDArray

from hyrax_pack.errors import OutputFormError
from hyrax_pack.exporting.answering import Answering, Outputs, lost_axis
from hyrax_pack.exporting.slots import take
from hyrax_pack.exporting.tolerances import Noise, choose_axis, derive, exact
from hyrax_pack.exporting.trials import Trial
from hyrax_pack.exporting.watching import OperatorWatch, UserCode, first_line

# Bounds, in epsilon, of what a column without an error of its own may borrow from the others: the spread of float32 is
# often zero where float64 would show an error.
_LUCKY = (0.0, 4.0)
_LUCKY_SPREAD = (2.0, math.inf)
# A model that computes in float64 has no error against float64 to be measured. Sums of some hundred products differ by
# tens of epsilon from batch to batch: so many of a row's magnitude are taken for its noise, and 16 times it is allowed.
_NOISE_OF_FLOAT64 = 256 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Answer:
    """What the model says to one trial, in float32 and, where it can, in float64."""

    trial: Trial
    narrow: Outputs
    wide: Outputs | None


@dataclass(frozen=True)
class NoiseReport:
    """The noise of every output; `reference` is `float64` or `float32 spread`, `reason` why the latter."""

    outputs: dict[str, Noise]
    reference: str
    reason: str | None


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


def row_errors(narrow: NDArray[Any], wide: NDArray[Any], axis: int | None = None) -> NDArray[np.float64]:
    """Return each row's greatest difference for each place of `axis`, where both are finite: (rows, places)."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(narrow.astype(np.float64) - wide.astype(np.float64))
    apart[~(np.isfinite(narrow) & np.isfinite(wide))] = 0.0
    return row_magnitudes(apart, axis)


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
    pool = answers[0].narrow[name]
    if pool.dtype.kind != "f":
        return exact(len(pool))
    axis = _axis_of(name, answers)
    in_float64 = pool.dtype == np.float64 and _is_same(pool, answers[0].wide, name)
    errors = np.zeros((len(pool), 1 if axis is None else pool.shape[axis]))
    sizes = row_magnitudes(pool, axis)
    if other_kernels is not None:
        errors = np.maximum(errors, row_errors(pool, other_kernels[name], axis))
    more_errors, more_sizes, others = [], [], []
    for answer in answers:
        found = _errors_of(name, answer, pool, axis, spread=other_kernels is not None)
        if in_float64:
            found = np.maximum(found, _NOISE_OF_FLOAT64 * row_magnitudes(answer.narrow[name], axis))
        if answer.trial.rows is not None:
            np.maximum.at(errors, list(answer.trial.rows), found)
        else:
            more_errors.append(found)
            more_sizes.append(row_magnitudes(answer.narrow[name], axis))
            others.append(answer.trial)
    return derive(
        name,
        np.concatenate([errors, *more_errors]),
        np.concatenate([sizes, *more_sizes]),
        others,
        dtype=pool.dtype,
        axis=axis,
        lucky=_LUCKY if other_kernels is None else _LUCKY_SPREAD,
    )


def _is_same(narrow: NDArray[Any], wide: Outputs | None, name: str) -> bool:
    return wide is not None and np.array_equal(narrow, wide[name], equal_nan=True)


def _axis_of(name: str, answers: Sequence[Answer]) -> int | None:
    """The axis whose places have figures of their own, if it has one size in all batches."""
    axis = choose_axis(answers[0].narrow[name])
    sizes = {answer.narrow[name].shape[axis] for answer in answers} if axis is not None else ()
    return axis if len(sizes) == 1 else None


def _errors_of(name: str, answer: Answer, pool: NDArray[Any], axis: int | None, *, spread: bool) -> NDArray[np.float64]:
    narrow, rows = answer.narrow[name], answer.trial.rows
    errors = np.zeros((len(narrow), 1 if axis is None else narrow.shape[axis]))
    if answer.wide is not None:
        errors = row_errors(narrow, answer.wide[name], axis)
    if spread and rows is not None:
        errors = np.maximum(errors, row_errors(narrow, pool[list(rows)], axis))
    return errors
