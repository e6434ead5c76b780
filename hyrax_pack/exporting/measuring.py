"""What the model itself answers: on which trials, from which slots, with how much noise. There is no graph yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from torch import nn

from hyrax_pack.errors import CoupledRowsError, ExportError, NoiseError, NotFiniteError
from hyrax_pack.exporting.answering import Answering
from hyrax_pack.exporting.independence import Batch, prove_independence
from hyrax_pack.exporting.noise import Answer, NoiseReport, answer_trials, answer_wide, measure_noise
from hyrax_pack.exporting.pruning import idle_slots
from hyrax_pack.exporting.reference import Reference
from hyrax_pack.exporting.slots import Layout, MakeSlots, Slots, check_names, make_rows, observe_layout
from hyrax_pack.exporting.trials import (
    Pool,
    Trial,
    fill_pool,
    plan_trials,
    traced_batch_size,
    trials_of_other_lengths,
    with_planted,
)

A = TypeVar("A", bound=Answering)

ROWS_LOOKED_AT_ALONE = 8  # for dimensions that vary


@dataclass(frozen=True)
class Measured(Generic[A]):
    """The model, looked at from every side.

    Attributes
    ----------
    reference : Answering
    layout : Layout
    answers : tuple of Answer
        The pool's first, then every batch cut from it, then the others.
    noise : NoiseReport
    batch_proof : dict
    notes : tuple of str
    rows : tuple of int
        The data set's own numbers of the pool's rows.
    idle : tuple of int
        Places of slots whose values changed no output.
    """

    reference: A
    layout: Layout
    answers: tuple[Answer, ...]
    noise: NoiseReport
    batch_proof: dict[str, Any]
    notes: tuple[str, ...]
    rows: tuple[int, ...]
    idle: tuple[int, ...] = ()


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
    more_trials: Sequence[Trial] = (),
) -> Measured[Reference]:
    """Look at the model; the parameters are those of `export_network`.

    Raises
    ------
    ExportError
        The model raises, answers another way each time, or in a form that no graph can give.
    CoupledRowsError
        Rows depend on one another, and the batch is not declared joint.
    """
    _check_place(model)
    _check_weights(model)
    return measure(
        lambda layout: Reference(model, hook, layout, output_names),
        make_slots,
        returns=returns,
        sample=sample,
        held_out=held_out,
        batch=batch,
        more_trials=more_trials,
    )


def measure(
    answering_of: Callable[[Layout], A],
    make_slots: MakeSlots,
    *,
    returns: Literal["array", "tuple"],
    sample: Sequence[int],
    held_out: Sequence[int],
    batch: Batch = "independent",
    input_names: Sequence[str] | None = None,
    more_trials: Sequence[Trial] = (),
) -> Measured[A]:
    """Look at anything that answers slots, once their layout is known.

    With `input_names` every slot that has rows is an input of that name.
    """
    if not sample:
        raise ExportError("there is no row to trace the model with: the data set is empty")
    pool = fill_pool(make_slots, held_out, sample)
    others = [trial.slots for trial in more_trials if not trial.made_up]
    layout = _look_at_slots(make_slots, pool, [*held_out, *sample], returns, input_names, others)
    answering = answering_of(layout)
    absent = answering.check_repeatable(pool.slots, pool.size)
    trials = [*_trials(make_slots, pool, layout, list(held_out) or list(sample)), *more_trials]
    answers = answer_trials(answering, trials)
    check_names(layout, answers[0].narrow, answering.renaming)
    _check_evidence(answers)
    answers, noise, proof = _measure(answering, answers, batch)
    idle = idle_slots(answering, pool.slots) if input_names is None else ()
    notes = tuple(f"{name} is None at inference: it is no output of the bundle" for name in absent)
    return Measured(answering, layout, tuple(answers), noise, proof, notes, pool.indices, idle)


def _check_place(model: nn.Module) -> None:
    held = [*model.parameters(), *model.buffers()]
    elsewhere = {str(tensor.device) for tensor in held if tensor.device.type != "cpu"}
    if elsewhere:
        raise ExportError(f"the model is on {', '.join(sorted(elsewhere))}: move it to the CPU first, model.to('cpu')")


def _check_weights(model: nn.Module) -> None:
    """Refuse weights that are not finite; a buffer may hold infinities, as an attention mask does, and no NaN."""
    for name, tensor in model.named_parameters():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise NotFiniteError(
                f"parameter {name!r} holds NaN or infinity: this model has diverged. "
                "Export weights from before that, or train again with a smaller step"
            )
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point() and bool(buffer.isnan().any()):
            raise NotFiniteError(f"buffer {name!r} holds NaN: this model has diverged; train again")


def _check_evidence(answers: Sequence[Answer]) -> None:
    """Refuse an output without a single number in it over all trials: NaN equals NaN whatever the graph does."""
    for name, first in answers[0].narrow.items():
        if first.dtype.kind != "f":
            continue
        values = [answer.narrow[name] for answer in answers]
        if any(value.size for value in values) and not any(np.isfinite(value).any() for value in values):
            raise NotFiniteError(
                f"output {name!r} is NaN or infinite on every row that was tried: nothing can be proven about it. "
                "Look at the data for NaN, and at the model for a division by zero"
            )


def _look_at_slots(
    make_slots: MakeSlots,
    pool: Pool,
    rows: Sequence[int],
    returns: Literal["array", "tuple"],
    names: Sequence[str] | None,
    others: Sequence[Slots],
) -> Layout:
    """Make batches of single rows beside the pool and the others, and see which dimensions vary."""
    alone = [rows[at] for at in np.linspace(0, len(rows) - 1, ROWS_LOOKED_AT_ALONE).astype(int)]
    observed = [pool.slots, *(make_rows(make_slots, [row]) for row in dict.fromkeys(alone)), *others]
    return observe_layout(observed, returns, names)


def _trials(make_slots: MakeSlots, pool: Pool, layout: Layout, rows: Sequence[int]) -> list[Trial]:
    k = traced_batch_size(layout)
    planted = with_planted(pool)
    return [
        *plan_trials(pool, k),
        *trials_of_other_lengths(make_slots, rows, layout, k),
        *([planted] if planted is not None else []),
    ]


def _measure(
    reference: Answering, answers: list[Answer], batch: Batch
) -> tuple[list[Answer], NoiseReport, dict[str, Any]]:
    """The answers with their float64 side, the noise over all rows tried, and the batch proof.

    Independence is first judged by the noise of the pool alone, in two orders: the noise over all batches would be
    swollen by the very coupling that is looked for, since one float64 answer then stands for a row in every batch.
    """
    answered, reason = answer_wide(reference, answers, joint=batch == "joint")
    words = ""
    try:
        noise = measure_noise(reference, _of_the_pool(answered), reason)
    except NoiseError as error:
        # (x + 1e7) - 1e7, or x.view(torch.int32): in float64 that is another function
        words = str(error).partition(";")[0]
        answered, reason = list(answers), f"in float64 the model is another function: {words}"
        noise = measure_noise(reference, _of_the_pool(answered), reason)
    try:
        prove_independence(reference, answered, noise, batch)
    except CoupledRowsError as error:
        if words and batch == "independent":
            raise CoupledRowsError(f"{error}. In float64 the model is another function ({words})") from error
        if reason is not None:
            raise
        answered, reason = answer_wide(reference, answers, joint=True)
    # rows that depend on their company spread by that, too: then only the same company counts
    spreads_by_company = reason is not None and batch == "joint"
    try:
        noise = measure_noise(reference, _of_the_pool(answered) if spreads_by_company else answered, reason)
    except NoiseError as error:
        if reason is not None or batch == "joint":
            raise
        answered, reason = list(answers), f"in float64 the model is another function: {str(error).partition(';')[0]}"
        noise = measure_noise(reference, answered, reason)
    return answered, noise, prove_independence(reference, answered, noise, batch)


def _of_the_pool(answers: Sequence[Answer]) -> list[Answer]:
    """The answers to the whole pool, in whatever order."""
    size = answers[0].trial.size
    return [each for each in answers if each.trial.rows is not None and each.trial.size == size]
