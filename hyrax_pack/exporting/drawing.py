"""From a model to a finished graph: the sample, the trace by the route that takes the model, cleaning, weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx_ir as ir
import torch
from hyrax_runtime.manifest import Figures, Graph, GraphInput, Output

from hyrax_pack.errors import ExportError, ParityError
from hyrax_pack.exporting.bounds import check_bounds, find_bounds
from hyrax_pack.exporting.cleaning import clean, fix_interface
from hyrax_pack.exporting.explaining import explain
from hyrax_pack.exporting.inference import Inference
from hyrax_pack.exporting.lasting import attributes_restored
from hyrax_pack.exporting.measuring import Measured
from hyrax_pack.exporting.packed_sequences import takes_this_route, trace_packed
from hyrax_pack.exporting.pruning import prune
from hyrax_pack.exporting.randomness import check_deterministic
from hyrax_pack.exporting.reference import Reference
from hyrax_pack.exporting.slots import Layout, MakeSlots, Slots, make_rows
from hyrax_pack.exporting.small_probabilities import write_out_sigmoids
from hyrax_pack.exporting.tracing import LEAST_OPSET, OPSET, Traced, guards_in, trace
from hyrax_pack.exporting.trials import PRIMES, traced_batch_size
from hyrax_pack.exporting.watching import OperatorWatch, UserCode
from hyrax_pack.exporting.weights import Weights, externalise
from hyrax_pack.exporting.wide_graph import Exact

OLDER_EXPORTER = "the graph was made by torch's older exporter: its newer one takes no packed sequences"


@dataclass(frozen=True)
class Drawn:
    """A finished graph, before the gate; `layout` is without the slots that no output depends on.

    `exact` holds in float64 the constants that were made of others, by their names in the graph.
    """

    graph: bytes
    weights: Weights
    description: Graph
    outputs: tuple[Output, ...]
    route: str
    lines: dict[str, str]
    heard: tuple[str, ...]
    notes: tuple[str, ...]
    layout: Layout
    exact: Exact = field(default_factory=dict)


def draw_graph(
    measured: Measured[Reference],
    outputs: tuple[Output, ...],
    make_slots: MakeSlots,
    sample: Sequence[int],
    opset: int,
    scratch: Path | None = None,
) -> Drawn:
    """Trace the model with a sample of its own data and finish the graph.

    Raises
    ------
    ExportError
        No route takes the model; says the operator, the line and the cure.
    ParityError
        The graph has lost inputs or outputs.
    """
    if opset < LEAST_OPSET:
        raise ExportError(f"opset {opset} is not written any more; set [onnx] opset_version to {OPSET}")
    reference, layout = measured.reference, measured.layout
    slots = sample_of(make_slots, sample, traced_batch_size(layout), layout)
    traced, route, notes = _traced(reference, layout, slots, [output.name for output in outputs], opset)
    model = traced.model
    _check_counts(model, layout, outputs)
    outputs = tuple(_with_free_dims(output, value) for output, value in zip(outputs, model.graph.outputs, strict=True))
    clean(model)
    write_out_sigmoids(model)
    check_deterministic(model, traced.lines)
    layout, said = prune(model, layout, measured.idle)
    bounds, unsure = find_bounds(reference, layout, measured.answers[0].trial.slots)
    said = (*said, *check_bounds(model, layout, bounds), *unsure)
    inputs = tuple(GraphInput(str(slot.graph_input), slot.dtype, slot.shape) for _, slot in layout.inputs)
    fix_interface(
        model,
        [(entry.name, entry.shape) for entry in inputs],
        [(output.name, output.shape) for output in outputs],
    )
    weights = externalise(model, scratch)
    graph = ir.to_proto(model).SerializeToString(deterministic=True)
    description = Graph(opset=model.opset_imports[""], ir_version=model.ir_version, inputs=inputs)
    return Drawn(
        graph, weights, description, outputs, route, traced.lines, traced.heard, (*notes, *said), layout, traced.exact
    )


def sample_of(make_slots: MakeSlots, sample: Sequence[int], k: int, layout: Layout) -> Slots:
    """Repeat the sample's rows to a batch that equals no other dimension, free ones included, and is at least 3."""
    for size in (k, *(prime for prime in PRIMES if prime > k)):
        slots = make_rows(make_slots, [sample[at % len(sample)] for at in range(size)])
        inner = {dim for place, _ in layout.inputs for dim in _shape(slots, place)[1:]}
        if size not in inner:
            return slots
    return slots


def _shape(slots: Slots, place: int) -> tuple[int, ...]:
    slot = slots[place]
    return () if slot is None else slot.shape


def _traced(
    reference: Reference, layout: Layout, slots: Slots, names: Sequence[str], opset: int
) -> tuple[Traced, str, tuple[str, ...]]:
    inference = Inference(reference, layout)
    inputs = [slot for _, slot in layout.inputs]
    tensors = [torch.from_numpy(array.copy()) for array in layout.feed(slots).values()]
    made: list[Traced] = []
    heard: list[str] = []
    with UserCode() as attempt, attributes_restored(reference.model):
        reference.run(slots, keep_state=True)  # what it caches is then there already, and no fake tensor
        made.append(trace(inference, inputs, tensors, opset, heard))
    watch = reference.watch(slots)
    _check_no_value_asserted(watch)
    if attempt.error is None:
        return made[0], "dynamo", ()
    if takes_this_route(inference, watch):
        with attributes_restored(reference.model):
            traced = trace_packed(inference, inputs, tensors, names, opset, watch)
        return traced, "torchscript", (OLDER_EXPORTER,)
    raise explain(attempt.error, watch, guards_in(heard, watch.files)) from attempt.error


def _check_no_value_asserted(watch: OperatorWatch) -> None:
    """Refuse checks of values in the model's code: torch leaves them out of the graph, without a word."""
    if watch.asserted:
        raise ExportError(
            f"the model raises for some values ({watch.asserted[0]}), and a graph cannot: it would answer. Move the "
            "check into to_tensor, or drop it"
        )


def _check_counts(model: ir.Model, layout: Layout, outputs: Sequence[Output]) -> None:
    for what, found, wanted in (
        ("inputs", model.graph.inputs, [slot.graph_input for _, slot in layout.inputs]),
        ("outputs", model.graph.outputs, [output.name for output in outputs]),
    ):
        if len(found) != len(wanted):
            names = ", ".join(map(str, wanted))
            raise ParityError(f"torch made a graph with {len(found)} {what}; the model has {len(wanted)}: {names}")


def _with_free_dims(output: Output, value: ir.Value) -> Output:
    """Free every dimension that the graph itself leaves open, though all batches agreed on it."""
    if value.shape is None or len(value.shape) != len(output.shape):
        return output
    dims = [
        dim if isinstance(dim, str) or isinstance(seen, int) else f"{output.name}.{axis}"
        for axis, (dim, seen) in enumerate(zip(output.shape, value.shape, strict=True))
    ]
    output = replace(output, shape=("N", *dims[1:]))
    if output.axis is None or isinstance(output.shape[output.axis], int):
        return output
    return replace(  # figures for each place need an axis that has one size
        output,
        axis=None,
        tolerance=_greatest(output.tolerance),
        relative_tolerance=_greatest(output.relative_tolerance),
        noise_floor=_greatest(output.noise_floor),
        scale=_greatest(output.scale),
    )


def _greatest(figures: Figures) -> float:
    return max(figures) if isinstance(figures, tuple) else figures
