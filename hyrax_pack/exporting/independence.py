"""Does a row's answer depend on its neighbours? Measured: rows alone, together, twice, and in another order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, Literal

import numpy as np
from hyrax_runtime.difference import Apart, differences, worst_of
from numpy.typing import NDArray

from hyrax_pack.errors import CoupledRowsError
from hyrax_pack.exporting.answering import Answering, Outputs
from hyrax_pack.exporting.constant_rows import CAUSE, all_constant
from hyrax_pack.exporting.noise import Answer, NoiseReport
from hyrax_pack.exporting.slots import Slots, take
from hyrax_pack.exporting.tolerances import Noise
from hyrax_pack.exporting.trials import Trial
from hyrax_pack.exporting.watching import OperatorWatch, UserCode

Batch = Literal["independent", "joint"]

_COMPANY = 5
_FACTORS = (1e3, -1e3, 1e-3, 0.1, 0.5, 2.0, 10.0, 255.0, 65535.0, -1.0, 0.0, float("nan"), float("inf"))
# Whole numbers wider than this may be lengths or sizes: their limits would ask for memory that is not there.
_NARROW = 2
_WHOLE: dict[str, Callable[[NDArray[Any]], Any]] = {
    "the least value": lambda slot: _least(slot),
    "the greatest value": lambda slot: _greatest(slot),
    "zeros": lambda slot: 0,
    "ones": lambda slot: 1,
}


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
        worst, where, differing = _worst(name, answers, measured)
        outputs[name] = {"difference": worst.difference, "tolerance": worst.allowed}
        if differing - measured.unstable:
            coupled = coupled or (name, where, differing - measured.unstable)
    if coupled is not None and declared == "independent":
        name, where, rows = coupled
        raise CoupledRowsError(
            f"output {name!r}: the same row answers differently by {outputs[name]['difference']:.3g} among "
            f"{answers[0].trial.label} and in a batch of {where.label} (rounding explains "
            f"{outputs[name]['tolerance']:.2g}). {_cause(reference, name, answers[0].trial, where, rows)}"
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
    """Refuse a model in which one extreme row changes what the rows beside it answer, or is changed by them.

    Ordinary rows do not show a rule over the batch that they never wake, or always do. Rows that the model refuses with
    an error are passed over.

    Raises
    ------
    CoupledRowsError
        Names the output and the row.
    """
    slots = take(pool.slots, [at % pool.size for at in range(_COMPANY)])
    before = reference.run(slots)
    for what, change in _extremes():
        changed = tuple(change(slot) for slot in slots)
        if all(one is other for one, other in zip(changed, slots, strict=True)):
            continue
        together, alone = _attempted(reference, changed), _attempted(reference, take(changed, [0]))
        if together is None:
            continue
        for name in noise.outputs:
            beside = _parted(name, reference, (slots, before), (changed, together), range(1, _COMPANY), noise)
            lone = (take(changed, [0]), alone)
            itself = None if alone is None else _parted(name, reference, lone, (changed, together), range(1), noise)
            found = beside or itself
            if found:
                who = "the rows beside it answer" if beside else "it answers alone and among others"
                raise CoupledRowsError(
                    f"output {name!r}: where one row is {what}, {who} differently by {found.difference:.3g} (rounding "
                    f"explains {found.allowed:.2g}). Look for a rule over the whole batch (x.max() without an axis); "
                    f"if it is meant, {reference.declaring_joint}"
                )


def _attempted(reference: Answering, slots: Slots) -> Outputs | None:
    answers: list[Outputs] = []
    with UserCode():
        answers.append(reference.run(slots))
    return answers[0] if answers else None


def _parted(
    name: str,
    reference: Answering,
    one: tuple[Slots, Outputs | None],
    other: tuple[Slots, Outputs],
    rows: range,
    noise: NoiseReport,
) -> Apart | None:
    """Where rows of two batches answer further apart than rounding explains, and in float64 too; else None."""
    part, measured = slice(rows.start, rows.stop), noise.outputs[name]
    slack = measured.slack[np.arange(rows.start, rows.stop) % len(measured.slack)]

    def worst(first: Outputs, second: Outputs) -> Apart:
        wanted, found = first[name][part], second[name][part]
        if wanted.shape != found.shape:
            return Apart(math.inf, 0.0, ())
        return worst_of(differences(wanted, found), measured.allowed(wanted, slack))

    if one[1] is None:
        return None
    apart = worst(one[1], other[1])
    if apart.within:
        return None
    with UserCode():  # a row made extreme has more noise than any of the data's; in float64 it has next to none
        exact = worst(reference.run(one[0], wide=True), reference.run(other[0], wide=True))
        return None if exact.within else apart
    return apart if rows.start or apart.difference > _loudest(one[1][name][part], measured) else None


def _loudest(values: NDArray[Any], noise: Noise) -> float:
    """What an extreme row may be off without float64 to tell: as much as its loudest place; whole numbers by any."""
    return float(noise.allowance.at(values).max(initial=0.0)) if values.dtype.kind == "f" else math.inf


def _extremes() -> Iterator[tuple[str, Callable[[NDArray[Any] | None], NDArray[Any] | None]]]:
    """Ways to make the first row of a slot extreme, in words; each leaves a slot that it does not apply to as it is."""
    for factor in _FACTORS:
        yield f"multiplied by {factor:g}", partial(_with_first_row, kinds="f", to=partial(_times, factor))
    for what, value in _WHOLE.items():
        yield f"made of {what}", partial(_with_first_row, kinds="iub", to=value)


def _times(factor: float, slot: NDArray[Any]) -> Any:
    with np.errstate(all="ignore"):
        return slot[0] * slot.dtype.type(factor)


def _least(slot: NDArray[Any]) -> Any:
    return np.iinfo(slot.dtype).min if slot.dtype.kind != "b" and slot.dtype.itemsize <= _NARROW else slot.min()


def _greatest(slot: NDArray[Any]) -> Any:
    return np.iinfo(slot.dtype).max if slot.dtype.kind != "b" and slot.dtype.itemsize <= _NARROW else slot.max()


def _with_first_row(slot: NDArray[Any] | None, *, kinds: str, to: Callable[[NDArray[Any]], Any]) -> NDArray[Any] | None:
    if slot is None or not slot.size or slot.dtype.kind not in kinds:
        return slot
    changed = slot.copy()
    changed[0] = to(slot)
    return changed


def _cause(reference: Answering, name: str, pool: Trial, where: Trial, rows: set[int]) -> str:
    """Whether it is the row itself, or the company that counts; else the line where the model takes another way."""
    if all_constant(pool.slots, sorted(rows), pool.slots):
        return CAUSE
    if _company_counts(reference, name, pool):
        return (
            "Rows depend on one another: look for statistics over the first axis (mean(0), softmax(0), a norm without "
            f"running statistics). If the batch is meant to be one unit, {reference.declaring_joint}"
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


def _worst(name: str, answers: Sequence[Answer], noise: Noise) -> tuple[Apart, Trial, set[int]]:
    """Return the place where a row is furthest from itself, the batch it was in, and the pool's rows that differ."""
    pool = answers[0].narrow[name]
    worst, where, differing = Apart(0.0, float(noise.tolerance.min()), ()), answers[0].trial, set[int]()
    for answer in answers[1:]:
        rows, found = answer.trial.rows, answer.narrow[name]
        if rows is None:
            continue
        wanted = pool[list(rows)]
        if wanted.shape != found.shape:
            return Apart(math.inf, 0.0, ()), answer.trial, set(range(len(pool)))
        apart, allowed = differences(wanted, found), noise.allowed(wanted, noise.slack_of(answer.trial))
        beyond = (apart > allowed).reshape(len(apart), -1).any(axis=1)
        differing.update(rows[at] for at in np.flatnonzero(beyond).tolist())
        here = worst_of(apart, allowed)
        if here.share > worst.share:
            worst, where = here, answer.trial
    return worst, where, differing
