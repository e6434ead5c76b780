"""Export, step by step: what to_tensor gives, what the model answers, the graph, the gate.

measuring: slots -> layout -> answers (float32, float64) -> noise -> independence -> pruning
drawing:   sample -> trace -> clean -> weights
parity:    the gate
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from hyrax_runtime.errors import SessionError
from hyrax_runtime.manifest import Output
from hyrax_runtime.session import open_session
from torch import nn

from hyrax_pack.errors import ExportError, ParityError
from hyrax_pack.exporting.carried_weights import check_carried_weights
from hyrax_pack.exporting.drawing import Drawn, draw_graph
from hyrax_pack.exporting.independence import Batch
from hyrax_pack.exporting.measuring import Measured, measure_model
from hyrax_pack.exporting.network import Network
from hyrax_pack.exporting.noise import NoiseReport
from hyrax_pack.exporting.parity import Gate, Record
from hyrax_pack.exporting.slots import MakeSlots
from hyrax_pack.exporting.tracing import OPSET, guards_in

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
    measured = measure_model(
        model,
        hook,
        make_slots,
        returns=returns,
        sample=sample,
        held_out=held_out,
        batch=batch,
        output_names=output_names,
    )
    outputs = describe_outputs(measured, classes)
    drawn = draw_graph(measured.reference, measured.layout, outputs, make_slots, sample, opset, scratch)
    records = hold_against(measured, drawn)
    return Network(
        graph=drawn.graph,
        weights=drawn.weights,
        description=drawn.description,
        outputs=drawn.outputs,
        layout=measured.layout,
        batch=batch,
        parity=_report(measured, records, drawn.route, fresh=bool(held_out)),
        batch_proof=measured.batch_proof,
        route=drawn.route,
        notes=(*measured.notes, *drawn.notes, *_notes(held_out, measured.noise, records)),
        reference=measured.reference,
    )


def hold_against(measured: Measured, drawn: Drawn) -> dict[str, Record]:
    """Run the gate: the weights, and the graph in the session that production uses, against the model.

    Raises
    ------
    ParityError
        They disagree, on any trial and output.
    """
    check_carried_weights(drawn.graph, drawn.weights, measured.reference.model)
    pool = measured.answers[0].trial

    def guards() -> Sequence[str]:
        return guards_in(drawn.heard, measured.reference.watch(pool.slots).files)

    try:
        session = open_session(drawn.graph, drawn.weights.data if drawn.weights.size else None)
    except SessionError as error:
        raise ParityError(f"the graph that torch made does not run: {error}") from error
    return Gate(measured.layout, measured.noise, drawn.lines, guards).check(session, measured.answers)


def describe_outputs(measured: Measured, classes: Classes | None = None) -> tuple[Output, ...]:
    """Describe the outputs; a dimension that varies between batches is called `<output>.<axis>`.

    Raises
    ------
    ExportError
        `classes` fits no output, or not the one that it is given for.
    """
    answers, noise = measured.answers, measured.noise
    outputs = []
    for name, first in answers[0].narrow.items():
        shapes = [answer.narrow[name].shape for answer in answers]
        dims = [
            size if all(shape[axis] == size for shape in shapes) else f"{name}.{axis}"
            for axis, size in enumerate(first.shape)
        ]
        found = noise.outputs[name]
        outputs.append(
            Output(
                name=name,
                dtype=first.dtype.name,
                shape=("N", *dims[1:]),
                tolerance=found.tolerance,
                noise_floor=found.floor,
                scale=found.scale,
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


def _report(measured: Measured, records: dict[str, Record], route: str, *, fresh: bool) -> dict[str, Any]:
    """What the manifest says of the gate: nothing in it depends on the clock or the machine's name."""
    answers, noise = measured.answers, measured.noise
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


def _notes(held_out: Sequence[int], noise: NoiseReport, records: dict[str, Record]) -> list[str]:
    notes: list[str] = []
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
