"""Does a row's answer depend on its neighbours? Measured: rows alone, together, twice, and in another order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Literal

import numpy as np
from hyrax_runtime.difference import greatest_difference
from numpy.typing import NDArray

from hyrax_pack.errors import CoupledRowsError
from hyrax_pack.exporting.answering import Answering, Outputs
from hyrax_pack.exporting.noise import Answer, NoiseReport
from hyrax_pack.exporting.slots import take
from hyrax_pack.exporting.trials import Trial
from hyrax_pack.exporting.watching import OperatorWatch, UserCode

Batch = Literal["independent", "joint"]

_COMPANY = 5
_EXTREMES = (1e3, -1e3, 1e-3, 0.0, float("nan"), float("inf"))


def prove_independence(
    reference: Answering, answers: Sequence[Answer], noise: NoiseReport, declared: Batch
) -> dict[str, Any]:
    """Hold every batch's rows against the same rows among all others.

    Returns
    -------
    dict
        The batch proof of the manifest: `declared`, `measured`, the batch `sizes` tried, and for each output the
        greatest difference and the tolerance.

    Raises
    ------
    CoupledRowsError
        Rows touch one another, or change their shape with the batch, and `declared` is `independent`.
    """
    outputs: dict[str, Any] = {}
    coupled = None
    for name, measured in noise.outputs.items():
        worst, where, differing = _worst(name, answers, measured.tolerance)
        outputs[name] = {"difference": worst, "tolerance": measured.tolerance}
        if len(differing) > measured.unstable:
            coupled = coupled or (name, where)
    if coupled is not None and declared == "independent":
        name, where = coupled
        raise CoupledRowsError(
            f"output {name!r}: the same row answers differently by {outputs[name]['difference']:.3g} among "
            f"{answers[0].trial.label} and in a batch of {where.label} (rounding explains "
            f"{noise.outputs[name].tolerance:.2g}). {_cause(reference, name, answers[0].trial, where)}"
        )
    for output in outputs.values():
        output["difference"] = output["difference"] if np.isfinite(output["difference"]) else "infinite"
    return {
        "declared": declared,
        "measured": "joint" if coupled is not None else "independent",
        "sizes": sorted({answer.trial.size for answer in answers if answer.trial.rows is not None}),
        "outputs": outputs,
    }


def check_extreme_company(reference: Answering, pool: Trial, noise: NoiseReport) -> None:
    """Refuse a model in which one extreme row changes what the rows beside it answer.

    Ordinary rows do not show a rule over the batch that they never wake. Rows that the model refuses with an error
    are passed over.

    Raises
    ------
    CoupledRowsError
        Names the output and the row.
    """
    slots = take(pool.slots, [at % pool.size for at in range(_COMPANY)])
    before = reference.run(slots)
    for factor in _EXTREMES:
        changed = tuple(_with_extreme_row(slot, factor) for slot in slots)
        after: Outputs | None = None
        with UserCode():
            after = reference.run(changed)
        if after is None:
            continue
        for name, measured in noise.outputs.items():
            one, other = before[name], after[name]
            apart = greatest_difference(one[1:], other[1:]) if one.shape == other.shape else np.inf
            if apart > measured.tolerance:
                raise CoupledRowsError(
                    f"output {name!r}: where one row is multiplied by {factor:g}, the rows beside it answer "
                    f"differently by {apart:.3g} (rounding explains {measured.tolerance:.2g}). Look for a rule over "
                    'the whole batch (x.max() without an axis); if it is meant, set batch = "joint" under [model]'
                )


def _with_extreme_row(slot: NDArray[Any] | None, factor: float) -> NDArray[Any] | None:
    if slot is None or not len(slot) or slot.dtype.kind != "f":
        return slot
    changed = slot.copy()
    with np.errstate(all="ignore"):
        changed[0] = changed[0] * slot.dtype.type(factor)
    return changed


def _cause(reference: Answering, name: str, pool: Trial, where: Trial) -> str:
    """Whether it is the company that counts; else the line where the model takes another way."""
    if _company_counts(reference, name, pool):
        return (
            "Rows depend on one another: look for statistics over the first axis (mean(0), softmax(0), a norm without "
            'running statistics). If the batch is meant to be one unit, set batch = "joint" under [model]'
        )
    line = parting_line(reference.watch(pool.slots), reference.watch(where.slots))
    if line:
        return f"The model takes another way there: remove the branch on the batch ({line})"
    return "Look for code that uses the size of the batch"


def _company_counts(reference: Answering, name: str, pool: Trial) -> bool:
    """Put one row among others, always as many: does its answer change?"""
    rows = pool.size
    for size in (2, 3, rows // 2):
        others = [[at % rows for at in range(start, start + size - 1)] for start in (1, rows // 2)]
        one, other = (reference.run(take(pool.slots, [0, *company]))[name][0] for company in others)
        if not np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
            return True
    return False


def parting_line(one: OperatorWatch, other: OperatorWatch) -> str:
    """Return the line of the first operator that ran in one of two runs only; an empty string where they agree."""
    for mine, theirs in zip_longest(one.steps, other.steps, fillvalue=("", "")):
        if mine != theirs:
            return mine[1] or theirs[1]
    return ""


def _worst(name: str, answers: Sequence[Answer], tolerance: float) -> tuple[float, Trial, set[int]]:
    """Return the greatest difference of a row from itself, the batch it was in, and the pool's rows that differ."""
    pool = answers[0].narrow[name]
    worst, where, differing = 0.0, answers[0].trial, set[int]()
    for answer in answers[1:]:
        if answer.trial.rows is None:
            continue
        found = answer.narrow[name]
        for at, row in enumerate(answer.trial.rows):
            same_shape = pool[row].shape == found[at].shape
            apart = greatest_difference(pool[row], found[at]) if same_shape else np.inf
            if apart > tolerance:
                differing.add(row)
            if apart > worst:
                worst, where = apart, answer.trial
    return worst, where, differing
