"""A graph that was made elsewhere, taken through the same gate.

There is no model to hold it against but itself: the finished graph (cleaned, its weights moved out, its batch freed)
must answer as the given file does. A file whose batch is fixed answers in portions of that size, so that its batch can
be freed and proven too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx_ir as ir
from hyrax_runtime.contract import Dim
from hyrax_runtime.manifest import Graph, GraphInput
from hyrax_runtime.session import open_session
from numpy.typing import NDArray
from onnx_ir.passes import common as passes
from onnxscript import version_converter

from hyrax_pack.errors import CoupledRowsError, ExportError, RandomnessError
from hyrax_pack.exporting.answering import Answering, Outputs
from hyrax_pack.exporting.cleaning import STANDARD_DOMAINS, clean, fix_interface
from hyrax_pack.exporting.drawing import Drawn
from hyrax_pack.exporting.independence import Batch
from hyrax_pack.exporting.measuring import Measured, measure
from hyrax_pack.exporting.network import Network
from hyrax_pack.exporting.procedure import finished
from hyrax_pack.exporting.randomness import check_deterministic
from hyrax_pack.exporting.repeating import is_repeated
from hyrax_pack.exporting.reporting import Classes, describe_outputs
from hyrax_pack.exporting.slots import Layout, MakeSlots, Slots, row_count, take
from hyrax_pack.exporting.tracing import LEAST_OPSET, OPSET
from hyrax_pack.exporting.trials import Trial
from hyrax_pack.exporting.watching import UserCode, first_line
from hyrax_pack.exporting.weights import externalise

LEAST_IR = 10
# Rounding in another place of the batch moves an answer by less than this share of its scale.
TOUCHING = 1e-2


def export_given_graph(
    path: Path,
    make_slots: MakeSlots,
    *,
    returns: Literal["array", "tuple"],
    sample: Sequence[int],
    held_out: Sequence[int],
    batch: Batch = "independent",
    classes: Classes | None = None,
    more_trials: Sequence[Trial] = (),
    scratch: Path | None = None,
) -> Network:
    """Take an ONNX file, and prove that the graph of the bundle answers as it does.

    Parameters
    ----------
    path : Path
        The file; external data beside it is read.
    make_slots, returns, sample, held_out, batch, classes, more_trials, scratch
        As for `export_network`. Slots that have rows feed the graph's inputs in order.

    Raises
    ------
    ExportError
        The file is no ONNX graph of tensors, its inputs are not what to_tensor gives, or its batch cannot be freed.
    ParityError
        The finished graph answers otherwise.
    """
    given = _load(path)
    inputs = [str(value.name) for value in given.graph.inputs]
    _check_tensors(path, given)
    measured = measure(
        lambda layout: GivenGraph(path, given, layout, scratch),
        make_slots,
        returns=returns,
        sample=sample,
        held_out=held_out,
        batch=batch,
        input_names=inputs,
        more_trials=more_trials,
    )
    return finished(measured, _draw(path, measured, classes, scratch), batch, fresh=bool(held_out))


class GivenGraph(Answering):
    """The graph as it was given, run by onnxruntime."""

    declaring_joint = "wrap it with --joint"
    renaming = "rename it in the graph"

    def __init__(self, path: Path, model: ir.Model, layout: Layout, scratch: Path | None) -> None:
        self.layout = layout
        self._portion = _fixed_batch(path, model)
        _check_inputs(path, model, layout)
        weights = externalise(model, scratch)
        graph = ir.to_proto(model).SerializeToString()
        data = weights.data if weights.size else None
        self._session = open_session(graph, data, memory="fast")
        self._other_session = open_session(graph, data, memory="shared", threads=1)

    def run(self, slots: Slots, *, wide: bool = False) -> Outputs:
        """Answer, in portions where the graph takes one size of batch only; float64 is not to be had."""
        if wide:
            raise ExportError("a graph that was made elsewhere runs in the precision that it was made in")
        return self._answer(slots, other=False)

    def run_other_kernels(self, slots: Slots) -> Outputs:
        """Answer without prepacking and without the rewrite for convolutions."""
        return self._answer(slots, other=True)

    def check_repeatable(self, slots: Slots, rows: int) -> tuple[str, ...]:
        """Run twice on one thread, and refuse other answers; operators that draw were refused by name before."""
        self.run_checked(slots, rows, f"{rows} rows")
        first, second = self.run_other_kernels(slots), self.run_other_kernels(slots)
        for name, values in first.items():
            if not is_repeated(values, second[name]):
                raise RandomnessError(f"output {name!r} of the graph is another each time: it draws random numbers")
        if self._portion is not None and self._portion > 1:
            self._check_company(slots, rows, first)
        return ()

    def _check_company(self, slots: Slots, rows: int, first: Outputs) -> None:
        """Refuse a graph for one size of batch whose rows touch: no batch of another size means the same."""
        moved_on = self.run_other_kernels(take(slots, [(row + 1) % rows for row in range(rows)]))
        for name, values in first.items():
            found = np.roll(moved_on[name], 1, axis=0)
            if not np.allclose(values, found, rtol=TOUCHING, atol=TOUCHING * _scale(values), equal_nan=True):
                raise CoupledRowsError(
                    f"output {name!r} of the graph: rows touch one another within its batches of {self._portion}, so "
                    "the batch cannot be freed. Export the model again with a free batch axis, and wrap it with --joint"
                )

    def _answer(self, slots: Slots, *, other: bool) -> Outputs:
        session = self._other_session if other else self._session
        rows = row_count(slots)
        size = self._portion
        if size is None:
            return session.run(self.layout.feed(slots))
        starts = range(0, rows, size)
        # the last portion is filled up with the last row
        portions = [take(slots, np.minimum(np.arange(start, start + size), rows - 1).tolist()) for start in starts]
        answers = [session.run(self.layout.feed(portion)) for portion in portions]
        return {name: np.concatenate([each[name] for each in answers])[:rows] for name in answers[0]}


def _scale(values: NDArray[Any]) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0


def _load(path: Path) -> ir.Model:
    with UserCode() as attempt:  # protobuf, onnx and onnx_ir each raise errors of their own
        model = ir.load(path)
    if attempt.error is not None:
        raise ExportError(f"{path}: is no ONNX file that can be read: {first_line(attempt.error)}") from attempt.error
    if not model.graph.outputs:
        raise ExportError(f"{path}: is no ONNX graph: it has no output")
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        if node.domain not in STANDARD_DOMAINS:
            raise ExportError(f"{path}: holds {node.domain}::{node.op_type}, which is no standard ONNX operator")
    _check_weights_files(path, model)
    passes.RemoveInitializersFromInputsPass()(model)
    passes.RemoveUnusedNodesPass()(model)
    check_deterministic(model)
    return model


def _check_weights_files(path: Path, model: ir.Model) -> None:
    folder = path.absolute().parent
    for value in model.graph.initializers.values():
        tensor = value.const_value
        if isinstance(tensor, ir.ExternalTensor) and not (folder / tensor.location).resolve().is_relative_to(folder):
            raise ExportError(
                f"{path}: weights of {value.name!r} are in {tensor.location}, outside the graph's own folder"
            )


def _check_tensors(path: Path, model: ir.Model) -> None:
    for value in (*model.graph.inputs, *model.graph.outputs):
        if not isinstance(value.type, ir.TensorType) or value.dtype == ir.DataType.STRING:
            raise ExportError(
                f"{path}: {value.name!r} is {value.type}; inputs and outputs must be tensors of numbers (export "
                "classifiers of scikit-learn with zipmap=False)"
            )
        if value.shape is not None and len(value.shape) == 0:
            raise ExportError(f"{path}: {value.name!r} is a single value; its first axis must be the batch")


def _fixed_batch(path: Path, model: ir.Model) -> int | None:
    """The one batch size that the graph takes; None where it takes any."""
    sizes = {value.shape[0] for value in model.graph.inputs if value.shape is not None}
    fixed = {size for size in sizes if isinstance(size, int)}
    if len(fixed) > 1 or (fixed and len(sizes) > 1):
        raise ExportError(f"{path}: its inputs have batches of {sizes}; one batch axis for all was expected")
    return fixed.pop() if fixed else None


def _check_inputs(path: Path, model: ir.Model, layout: Layout) -> None:
    for (place, slot), value in zip(layout.inputs, model.graph.inputs, strict=True):
        dtype = "" if value.dtype is None else value.dtype.numpy().name
        shape = None if value.shape is None else tuple(value.shape)
        if dtype != slot.dtype or not _fits(shape, slot.shape):
            wanted = "any shape" if shape is None else [dim if isinstance(dim, int) else str(dim) for dim in shape]
            raise ExportError(
                f"{path}: input {value.name!r} takes {dtype} {wanted}; slot {place} of to_tensor gives {slot.dtype} "
                f"{list(slot.shape)}"
            )


def _fits(wanted: tuple[int | ir.SymbolicDim, ...] | None, given: tuple[Dim, ...]) -> bool:
    if wanted is None:
        return True
    pairs = zip(wanted[1:], given[1:], strict=False)
    return len(wanted) == len(given) and all(not isinstance(want, int) or want == have for want, have in pairs)


def _draw(path: Path, measured: Measured[GivenGraph], classes: Classes | None, scratch: Path | None) -> Drawn:
    model = _load(path)
    fixed = _fixed_batch(path, model)
    if model.opset_imports.get("", OPSET) < LEAST_OPSET:
        version_converter.convert_version(model, OPSET, fallback=True)
    model.ir_version = max(model.ir_version, LEAST_IR)
    clean(model)
    if fixed is not None:
        _forget_inner_shapes(model)
    outputs = describe_outputs(measured, classes)
    inputs = tuple(GraphInput(str(slot.graph_input), slot.dtype, slot.shape) for _, slot in measured.layout.inputs)
    fix_interface(
        model,
        [(entry.name, entry.shape) for entry in inputs],
        [(output.name, output.shape) for output in outputs],
    )
    weights = externalise(model, scratch)
    freed = () if fixed is None else (f"the graph took batches of {fixed} only; it now takes any",)
    return Drawn(
        graph=ir.to_proto(model).SerializeToString(deterministic=True),
        weights=weights,
        description=Graph(opset=model.opset_imports[""], ir_version=model.ir_version, inputs=inputs),
        outputs=outputs,
        route="given",
        lines={},
        heard=(),
        notes=freed,
        layout=measured.layout,
    )


def _forget_inner_shapes(model: ir.Model) -> None:
    """What was inferred for one size of batch is wrong for the others."""
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        for value in node.outputs:
            value.shape = None
