"""What the model itself answers: on which trials, from which slots, with how much noise. There is no graph yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import nn

from hyrax_pack.errors import CoupledRowsError, ExportError
from hyrax_pack.exporting.independence import Batch, prove_independence
from hyrax_pack.exporting.noise import Answer, NoiseReport, answer_trials, answer_wide, measure_noise
from hyrax_pack.exporting.pruning import prune
from hyrax_pack.exporting.reference import Reference
from hyrax_pack.exporting.repeating import check_repeatable
from hyrax_pack.exporting.slots import Layout, MakeSlots, check_names, make_rows, observe_layout, take
from hyrax_pack.exporting.trials import (
    Pool,
    Trial,
    fill_pool,
    plan_trials,
    traced_batch_size,
    trials_of_other_lengths,
    with_planted,
)

ROWS_LOOKED_AT_ALONE = 8  # for dimensions that vary
ROWS_FOR_PRUNING = 8


@dataclass(frozen=True)
class Measured:
    """The model, looked at from every side.

    Attributes
    ----------
    reference : Reference
    layout : Layout
        Without the slots that change no output.
    answers : tuple of Answer
        The pool's first, then every batch cut from it, then the others.
    noise : NoiseReport
    batch_proof : dict
    notes : tuple of str
    """

    reference: Reference
    layout: Layout
    answers: tuple[Answer, ...]
    noise: NoiseReport
    batch_proof: dict[str, Any]
    notes: tuple[str, ...]


def measure_model(
    model: nn.Module,
    hook: str,
    make_slots: MakeSlots,
    *,
    returns: Literal["array", "tuple"],
    sample: Sequence[int],
    held_out: Sequence[int],
    batch: Batch = "independent",
    output_names: Sequence[str] | None = None,
) -> Measured:
    """Look at the model; the parameters are those of `export_network`.

    Raises
    ------
    ExportError
        The model raises, answers another way each time, or in a form that no graph can give.
    CoupledRowsError
        Rows depend on one another, and the batch is not declared joint.
    """
    _check_start(model, sample)
    pool = fill_pool(make_slots, held_out, sample)
    layout = _look_at_slots(make_slots, pool, [*held_out, *sample], returns)
    reference = Reference(model, hook, layout, output_names)
    absent = check_repeatable(reference, pool.slots, pool.size)
    trials = _trials(make_slots, pool, layout, list(held_out) or list(sample))
    answers = answer_trials(reference, trials)
    check_names(layout, answers[0].narrow)
    answers, noise, proof = _measure(reference, answers, batch)
    layout, notes = prune(reference, take(pool.slots, range(min(ROWS_FOR_PRUNING, pool.size))))
    none = [f"{name} is None at inference: it is no output of the bundle" for name in absent]
    return Measured(reference, layout, tuple(answers), noise, proof, (*notes, *none))


def _check_start(model: nn.Module, sample: Sequence[int]) -> None:
    if not sample:
        raise ExportError("there is no row to trace the model with: the data set is empty")
    elsewhere = {
        str(tensor.device) for tensor in [*model.parameters(), *model.buffers()] if tensor.device.type != "cpu"
    }
    if elsewhere:
        raise ExportError(f"the model is on {', '.join(sorted(elsewhere))}: move it to the CPU first, model.to('cpu')")


def _look_at_slots(
    make_slots: MakeSlots, pool: Pool, rows: Sequence[int], returns: Literal["array", "tuple"]
) -> Layout:
    """Make batches of single rows beside the pool, and see which dimensions vary."""
    alone = [rows[at] for at in np.linspace(0, len(rows) - 1, ROWS_LOOKED_AT_ALONE).astype(int)]
    observed = [pool.slots, *(make_rows(make_slots, [row]) for row in dict.fromkeys(alone))]
    return observe_layout(observed, returns)


def _trials(make_slots: MakeSlots, pool: Pool, layout: Layout, rows: Sequence[int]) -> list[Trial]:
    k = traced_batch_size(layout)
    planted = with_planted(pool)
    return [
        *plan_trials(pool, k),
        *trials_of_other_lengths(make_slots, rows, layout, k),
        *([planted] if planted is not None else []),
    ]


def _measure(
    reference: Reference, answers: list[Answer], batch: Batch
) -> tuple[list[Answer], NoiseReport, dict[str, Any]]:
    """The answers with their float64 side, the noise over all rows tried, and the batch proof.

    Independence is first judged by the noise of the pool alone, in two orders: the noise over all batches would be
    swollen by the very coupling that is looked for, since one float64 answer then stands for a row in every batch.
    """
    answered, reason = answer_wide(reference, answers, joint=batch == "joint")
    whole = [each for each in answered if each.trial.rows is not None and each.trial.size == answered[0].trial.size]
    try:
        prove_independence(reference, answered, measure_noise(reference, whole, reason), batch)
    except CoupledRowsError:
        if reason is not None:
            raise
        answered, reason = answer_wide(reference, answers, joint=True)
    noise = measure_noise(reference, answered, reason)
    return answered, noise, prove_independence(reference, answered, noise, batch)
