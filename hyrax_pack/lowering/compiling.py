"""`to_tensor` -> ONNX, step by step: trace, build, prove.

text --trace the batch--> graph                         (tracing)
     --or one row--> graph of a row --> of the batch    (tracing, graph.vectorising, graph.scanning)
graph --gate--> Lowered, or a Refusal with its reason   (proving)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import onnx
from hyrax_runtime.contract import BATCH_AXIS, Dim, InputContract
from hyrax_runtime.manifest import GraphInput, Reason, Slot

from hyrax_pack.lowering.graph.building import Value, needed_nodes
from hyrax_pack.lowering.graph.model import Outlet, to_model
from hyrax_pack.lowering.graph.scanning import to_scan_model
from hyrax_pack.lowering.graph.vectorising import NotVectorised, vectorise
from hyrax_pack.lowering.lowered import Lowered, LoweredSlot
from hyrax_pack.lowering.proving.comparing import TOLERANCE
from hyrax_pack.lowering.proving.gate import Promise, check_graph
from hyrax_pack.lowering.proving.independence import check_independence
from hyrax_pack.lowering.proving.noise import ShakenFunction
from hyrax_pack.lowering.proving.samples import Columns, Samples, gather_samples
from hyrax_pack.lowering.refusal import Refusal, Refused, RowsNeeded, UnluckyShadows
from hyrax_pack.lowering.tracing.running import Written, write_down
from hyrax_pack.lowering.tracing.shadows import BATCH_SIZES, ROW_SIZES
from hyrax_pack.lowering.tracing.trace import Mode

_TRIES = 6
# Operations that move or compare values and round nothing.
_EXACT = frozenset(
    {
        "ArgMax", "ArgMin", "Cast", "Clip", "Compress", "Concat", "Equal", "Expand", "Gather", "GatherElements",
        "GatherND", "Greater", "GreaterOrEqual", "Identity", "IsNaN", "Less", "LessOrEqual", "Max", "Min", "Neg",
        "Abs", "Not", "And", "Or", "Xor", "ReduceMax", "ReduceMin", "Reshape", "Slice", "Squeeze", "TopK",
        "Transpose", "Unsqueeze", "Where",
    }
)  # fmt: skip


def lower(
    text: str,
    *,
    contract: InputContract,
    slots: Sequence[Slot],
    function: Callable[[Any], Any],
    examples: Iterable[Mapping[str, Any]],
) -> Lowered | Refusal:
    """Compile the captured text of `to_tensor` into ONNX, or say why not.

    Parameters
    ----------
    text : str
        The captured text.
    contract : InputContract
        The fields of `data_dict` at inference.
    slots : sequence of Slot
        What the function returns; slots with a `graph_input` become outputs of that name.
    function : callable
        The same text compiled for replay: what the graph is proven against.
    examples : iterable of dict
        Some `data_dict` of real rows, in the recorded form.

    Returns
    -------
    Lowered or Refusal
        A Refusal carries a manifest.Reason: what, in which line, and how to write it so that it lowers.
    """
    samples = gather_samples(contract, list(examples))
    try:
        written = _trace(text, contract, slots, samples, function)
        return _prove(text, written, contract, slots, samples, function)
    except Refused as refused:
        return Refusal(refused.reason)


def _trace(
    text: str, contract: InputContract, slots: Sequence[Slot], samples: Samples, function: Callable[[Any], Any]
) -> Written:
    try:
        return _trace_in(text, contract, slots, samples, "batch")
    except RowsNeeded as needed:
        if contract.batch == "joint":
            raise Refused(
                Reason(
                    "a Python loop over rows that belong together",
                    needed.reason.line,
                    "for",
                    "write it for whole arrays, without the loop",
                )
            ) from needed
        written = _trace_in(text, contract, slots, samples, "row")
        reason = check_independence(function, ShakenFunction(text), samples)
        if reason is not None:
            raise Refused(Reason(reason.text, needed.reason.line, "for", reason.hint)) from needed
        return written


def _trace_in(text: str, contract: InputContract, slots: Sequence[Slot], samples: Samples, mode: Mode) -> Written:
    """Trace with shadows that tell apart what depends on the data; try others where they do not."""
    for attempt in range(_TRIES):
        try:
            return write_down(text, contract, slots, _shadows(samples, mode, attempt), mode)
        except UnluckyShadows:
            if attempt == _TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _shadows(samples: Samples, mode: Mode, attempt: int) -> tuple[Columns, Columns]:
    """Draw two batches; from the second attempt on with more that is odd in the first than in the second."""
    random = np.random.default_rng(attempt)
    sizes = BATCH_SIZES if mode == "batch" else ROW_SIZES
    pair = [samples.draw(size, random, stretch=at) for at, size in enumerate(sizes)]
    if attempt:
        for columns, share in zip(pair, ((0.4, 0.15), (0.12, 0.04))[attempt % 2], strict=True):
            for column in columns.values():
                odd = random.random(column.shape) < share
                if column.dtype.kind == "f":
                    column[odd] = np.nan if attempt in (1, 4) else column[odd] * 40 + 1
                elif column.dtype == np.bool_:
                    column[...] = odd
    return pair[0], pair[1]


def _prove(
    text: str,
    written: Written,
    contract: InputContract,
    slots: Sequence[Slot],
    samples: Samples,
    function: Callable[[Any], Any],
) -> Lowered:
    outlets = [
        Outlet(str(slots[place].graph_input), value, (BATCH_AXIS, *slots[place].shape[1:]))
        for place, value in written.outputs.items()
    ]
    if not outlets or not written.inputs:
        raise Refused(Reason("no slot is an input of the network, or no field is one that a graph can hold"))
    fields = {one.path: one for one in contract.fields if one.path in written.inputs}
    shapes: dict[str, tuple[Dim, ...]] = {path: (BATCH_AXIS, *one.shape) for path, one in fields.items()}
    try:
        model, form = _to_model(written, outlets, shapes)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise Refused(Reason(f"the graph is not valid ONNX: {str(error).strip().partition(chr(10))[0]}")) from error
    names = [one.name for one in model.graph.input]
    unread = [name for name in names if not fields[name].read]
    if unread:
        raise Refused(Reason(f"the graph needs the field {unread[0]!r}, which was not seen to be read"))
    data = model.SerializeToString()
    promises = [
        Promise(outlet.name, place, _precision(outlet.value))
        for outlet, place in zip(outlets, written.outputs, strict=True)
    ]
    reason = check_graph(data, function, ShakenFunction(text), promises, samples, names)
    if reason is not None:
        raise Refused(reason)
    return Lowered(
        model=data,
        inputs=tuple(GraphInput(name, fields[name].dtype, shapes[name]) for name in names),
        outputs=tuple(
            LoweredSlot(place, str(slots[place].graph_input), slots[place].dtype) for place in written.outputs
        ),
        mode=written.mode,
        form=form,
        asked_absent=tuple(sorted(written.asked)),
    )


def _to_model(
    written: Written, outlets: Sequence[Outlet], shapes: Mapping[str, tuple[Dim, ...]]
) -> tuple[onnx.ModelProto, Literal["whole", "scan"]]:
    """Build the model; the graph of a row becomes one of the batch, or runs in a Scan."""
    if written.mode == "batch":
        return to_model(written.graph, outlets, shapes), "whole"
    try:
        graph, values = vectorise([outlet.value for outlet in outlets], written.inputs)
    except NotVectorised:
        return to_scan_model(outlets, written.inputs, shapes), "scan"
    batched = [Outlet(outlet.name, value, outlet.shape) for outlet, value in zip(outlets, values, strict=True)]
    return to_model(graph, batched, shapes), "whole"


def _precision(value: Value) -> float:
    """Return the relative precision of a slot: that of the narrowest float that anything in it was calculated in."""
    worst = TOLERANCE.get(value.dtype, 0.0)
    for node in needed_nodes([value]):
        if node.op not in _EXACT:
            worst = max([worst, *(TOLERANCE.get(dtype, 0.0) for dtype in node.dtypes)])
    return worst if value.dtype.kind == "f" else 0.0
