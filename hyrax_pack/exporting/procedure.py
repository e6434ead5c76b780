"""Export, step by step: what to_tensor gives, what the model answers, the graph, the gate.

slots -> layout -> answers (float32, float64) -> noise -> independence -> pruning -> trace -> clean -> gate
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from hyrax_runtime.manifest import Output
from hyrax_runtime.session import open_session
from torch import nn

from hyrax_pack.errors import CoupledRowsError, ExportError
from hyrax_pack.exporting.drawing import draw_graph
from hyrax_pack.exporting.independence import Batch, prove_independence
from hyrax_pack.exporting.network import Network
from hyrax_pack.exporting.noise import Answer, NoiseReport, answer_trials, answer_wide, measure_noise
from hyrax_pack.exporting.parity import Gate, Record
from hyrax_pack.exporting.pruning import prune
from hyrax_pack.exporting.reference import Reference
from hyrax_pack.exporting.repeating import check_repeatable
from hyrax_pack.exporting.slots import Layout, MakeSlots, check_names, make_rows, observe_layout, take
from hyrax_pack.exporting.tracing import LEAST_OPSET, OPSET, guards_in
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

Classes = Sequence[str] | Mapping[str, Sequence[str]]


def export_network(
    model: nn.Module,
    hook: str,
    make_slots: MakeSlots,
    *,
    returns: Literal["array", "tuple"],
    sample: Sequence[int],
    held_out: Sequence[int],
    opset: int = OPSET,
    batch: Batch = "independent",
    classes: Classes | None = None,
    output_names: Sequence[str] | None = None,
    scratch: Path | None = None,
) -> Network:
    """Turn what inference runs into an ONNX graph, and prove that the graph computes the same.

    Parameters
    ----------
    model : nn.Module
        On the CPU, with the weights to ship. Modes and weights are afterwards as they were.
    hook : str
        What inference calls: `infer_batch` or `forward`.
    make_slots : callable
        Row indices to the slots of to_tensor, as inference sees them: one array or None for each place.
    returns : str
        Whether to_tensor returns one `array` or a `tuple`.
    sample : sequence of int
        Rows that the graph is traced with.
    held_out : sequence of int
        Other rows, for the gate. Where there are none, the sample's serve, and a note says so.
    opset : int
    batch : str
        What the settings declare: rows `independent` of one another, or the batch as a `joint` unit.
    classes : sequence of str, or dict of output name to sequence of str, optional
        Class names; a bare sequence belongs to every output with as many columns.
    output_names : sequence of str, optional
        Names for the outputs in place of the model's own.
    scratch : Path, optional
        A folder for the temporary file of large weights.

    Returns
    -------
    Network

    Raises
    ------
    ExportError
        The model cannot become a graph, or does not answer the same way twice.
    ParityError
        The graph does not compute what the model computes.
    """
    _check_start(model, sample, opset)
    pool = fill_pool(make_slots, held_out, sample)
    layout = _look_at_slots(make_slots, pool, [*held_out, *sample], returns)
    reference = Reference(model, hook, layout, output_names)
    absent = check_repeatable(reference, pool.slots, pool.size)
    k = traced_batch_size(layout)
    answers = answer_trials(reference, _trials(make_slots, pool, layout, list(held_out) or list(sample), k))
    check_names(layout, answers[0].narrow)
    answers, noise, proof = _measure(reference, answers, batch)
    layout, notes = prune(reference, take(pool.slots, range(min(ROWS_FOR_PRUNING, pool.size))))
    drawn = draw_graph(reference, layout, _outputs(answers, noise, classes), make_slots, sample, k, opset, scratch)
    gate = Gate(layout, noise, drawn.lines, lambda: guards_in(drawn.heard, reference.watch(pool.slots).files))
    records = gate.check(open_session(drawn.graph, drawn.weights.data if drawn.weights.size else None), answers)
    return Network(
        graph=drawn.graph,
        weights=drawn.weights,
        description=drawn.description,
        outputs=drawn.outputs,
        layout=layout,
        batch=batch,
        parity=_report(answers, noise, records, drawn.route, fresh=bool(held_out)),
        batch_proof=proof,
        route=drawn.route,
        notes=(*notes, *drawn.notes, *_notes(absent, held_out, noise, records)),
        reference=Reference(model, hook, layout, output_names),
    )


def _check_start(model: nn.Module, sample: Sequence[int], opset: int) -> None:
    if not sample:
        raise ExportError("there is no row to trace the model with: the data set is empty")
    if opset < LEAST_OPSET:
        raise ExportError(f"opset {opset} is not written any more; set [onnx] opset_version to {OPSET}")
    elsewhere = {str(tensor.device) for tensor in model.parameters() if tensor.device.type != "cpu"}
    if elsewhere:
        raise ExportError(f"the model is on {', '.join(sorted(elsewhere))}: move it to the CPU first, model.to('cpu')")


def _look_at_slots(
    make_slots: MakeSlots, pool: Pool, rows: Sequence[int], returns: Literal["array", "tuple"]
) -> Layout:
    """Make batches of single rows beside the pool, and see which dimensions vary."""
    alone = [rows[at] for at in np.linspace(0, len(rows) - 1, ROWS_LOOKED_AT_ALONE).astype(int)]
    observed = [pool.slots, *(make_rows(make_slots, [row]) for row in dict.fromkeys(alone))]
    return observe_layout(observed, returns)


def _trials(make_slots: MakeSlots, pool: Pool, layout: Layout, rows: Sequence[int], k: int) -> list[Trial]:
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


def _outputs(answers: Sequence[Answer], noise: NoiseReport, classes: Classes | None) -> tuple[Output, ...]:
    """Describe the outputs; a dimension that varies between batches is called `<output>.<axis>`."""
    outputs = []
    for name, first in answers[0].narrow.items():
        shapes = [answer.narrow[name].shape for answer in answers]
        dims = [
            size if all(shape[axis] == size for shape in shapes) else f"{name}.{axis}"
            for axis, size in enumerate(first.shape)
        ]
        measured = noise.outputs[name]
        outputs.append(
            Output(
                name=name,
                dtype=first.dtype.name,
                shape=("N", *dims[1:]),
                tolerance=measured.tolerance,
                noise_floor=measured.floor,
                scale=measured.scale,
                classes=_classes_of(name, first.shape, classes),
            )
        )
    if classes and not any(output.classes for output in outputs):
        shapes_text = ", ".join(f"{output.name} {list(output.shape)}" for output in outputs)
        raise ExportError(f"[model] classes fits no output: {shapes_text}")
    return tuple(outputs)


def _classes_of(name: str, shape: tuple[int, ...], classes: Classes | None) -> tuple[str, ...] | None:
    if not classes:
        return None
    if isinstance(classes, Mapping):
        named = classes.get(name)
        if named is not None and shape[1:] != (len(named),):
            raise ExportError(f"[model] classes names {len(named)} classes for output {name!r} of shape {list(shape)}")
        return None if named is None else tuple(named)
    return tuple(classes) if shape[1:] == (len(classes),) else None


def _report(
    answers: Sequence[Answer], noise: NoiseReport, records: dict[str, Record], route: str, *, fresh: bool
) -> dict[str, Any]:
    """What the manifest says of the gate: nothing in it depends on the clock or the machine's name."""
    return {
        "reference": noise.reference,
        "reason": noise.reason,
        "route": route,
        "held_out": fresh,
        "batches": [answer.trial.label for answer in answers],
        "sizes": sorted({answer.trial.size for answer in answers}),
        "rows": sum(answer.trial.size for answer in answers),
        "outputs": {
            name: {
                "error": record.error,
                "difference": record.difference,
                "tolerance": noise.outputs[name].tolerance,
                "noise_floor": noise.outputs[name].floor,
                "scale": noise.outputs[name].scale,
                "decisions": record.decisions,
                "flips": record.flips,
                "unstable_rows": record.unstable,
            }
            for name, record in records.items()
        },
    }


def _notes(absent: Sequence[str], held_out: Sequence[int], noise: NoiseReport, records: dict[str, Record]) -> list[str]:
    notes = [f"{name} is None at inference: it is no output of the bundle" for name in absent]
    if not held_out:
        notes.append("no rows were held out: the gate ran on the rows that the graph was traced with")
    if noise.reason is not None:
        notes.append(f"tolerances come from the spread of float32 ({noise.reason})")
    notes += [
        f"output {name!r}: graph and torch differ in the greatest entry of {record.flips} of {record.decisions} rows"
        for name, record in records.items()
        if record.flips
    ]
    return notes
