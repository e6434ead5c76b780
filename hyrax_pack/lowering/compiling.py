"""`to_tensor` -> ONNX, step by step: trace, build, prove.

text --trace the batch--> graph                         (tracing)
     --or one row--> graph of a row --> of the batch    (tracing, graph.vectorising, graph.scanning)
graph --gate--> Lowered, or a Refusal with its reason   (proving)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import onnx
from hyrax_runtime.contract import BATCH_AXIS, Dim, InputContract
from hyrax_runtime.manifest import GraphInput, Reason, Slot

from hyrax_pack.lowering.graph.building import Graph, Value, needed_nodes
from hyrax_pack.lowering.graph.exactness import is_inexact
from hyrax_pack.lowering.graph.model import Outlet, to_model
from hyrax_pack.lowering.graph.scanning import to_scan_model
from hyrax_pack.lowering.graph.solving import telling_values
from hyrax_pack.lowering.graph.vectorising import NotVectorised, vectorise
from hyrax_pack.lowering.lowered import Lowered, LoweredSlot
from hyrax_pack.lowering.proving.comparing import TOLERANCE
from hyrax_pack.lowering.proving.gate import Promise, check_graph
from hyrax_pack.lowering.proving.independence import find_coupling
from hyrax_pack.lowering.proving.noise import ShakenFunction
from hyrax_pack.lowering.proving.reading import line_of_return, literals_of
from hyrax_pack.lowering.proving.samples import Columns, Samples, gather_samples
from hyrax_pack.lowering.refusal import Refusal, Refused, RowsNeeded
from hyrax_pack.lowering.tracing.running import Written, write_down
from hyrax_pack.lowering.tracing.shadows import BATCH_SIZES, ROW_SIZES
from hyrax_pack.lowering.tracing.trace import Mode

_INDEPENDENT = 'let a row use nothing but its own values, or set [model] batch = "joint"'


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
    samples = gather_samples(contract, list(examples), literals_of(text))
    shaken = ShakenFunction(text)
    graph = Graph()
    try:
        written = _trace(text, contract, slots, samples, graph)
    except Refused as refused:
        samples = replace(samples, telling=telling_values(graph))
        found = Refusal(refused.reason, refused.is_unsound)
        return found if found.is_unsound else _coupled(function, shaken, samples, found.reason) or found
    samples = replace(samples, telling=telling_values(graph))
    coupled = _coupled(function, shaken, samples, Reason("rows touch one another", None, None, _INDEPENDENT))
    if coupled is not None:
        return coupled
    try:
        return _prove(written, contract, slots, samples, function, shaken)
    except Refused as refused:
        return Refusal(replace(refused.reason, line=refused.reason.line or line_of_return(text)), refused.is_unsound)


def _coupled(
    function: Callable[[Any], Any], shaken: ShakenFunction, samples: Samples, reason: Reason
) -> Refusal | None:
    """Refuse a function whose rows were recorded as independent, and are not: in any form; say what it does besides."""
    if samples.contract.batch == "joint" or not samples.pools:
        return None
    words = find_coupling(function, shaken, samples, list(samples.pools))
    return None if words is None else Refusal(replace(reason, text=f"{reason.text}: {words}"), is_unsound=True)


def _trace(text: str, contract: InputContract, slots: Sequence[Slot], samples: Samples, graph: Graph) -> Written:
    """Write the function down in a graph: of the batch, or of a row where it walks over the rows."""
    try:
        return _trace_in(text, contract, slots, samples, graph, "batch")
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
        graph.begin_anew()
        return _trace_in(text, contract, slots, samples, graph, "row")


def _trace_in(
    text: str, contract: InputContract, slots: Sequence[Slot], samples: Samples, graph: Graph, mode: Mode
) -> Written:
    return write_down(text, contract, slots, draw_shadows(samples, mode), mode, graph)


def draw_shadows(samples: Samples, mode: Mode) -> tuple[Columns, Columns]:
    """Draw the two real batches that a trace carries along."""
    random = np.random.default_rng(0)
    first, second = BATCH_SIZES if mode == "batch" else ROW_SIZES
    return samples.draw(first, random, stretch=0), samples.draw(second, random, stretch=1)


def _prove(
    written: Written,
    contract: InputContract,
    slots: Sequence[Slot],
    samples: Samples,
    function: Callable[[Any], Any],
    shaken: ShakenFunction,
) -> Lowered:
    outlets = [
        Outlet(str(slots[place].graph_input), value, (BATCH_AXIS, *slots[place].shape[1:]))
        for place, value in written.outputs.items()
    ]
    if not outlets or not written.inputs:
        raise Refused(Reason("no slot is an input of the network, or no field is one that a graph can hold"))
    _check_names(outlets, written.inputs)
    fields = {one.path: one for one in contract.fields if one.path in written.inputs}
    shapes: dict[str, tuple[Dim, ...]] = {path: (BATCH_AXIS, *one.shape) for path, one in fields.items()}
    try:
        model, form = _to_model(written, outlets, shapes)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise Refused(Reason(f"the graph is not valid ONNX: {str(error).strip().partition(chr(10))[0]}")) from error
    names = [one.name for one in model.graph.input]
    unread = [name for name in names if not fields[name].read]
    if unread:
        text = f"the graph needs the field {unread[0]!r}, which was not seen to be read"
        hint = "let the function read the same fields whatever their values are"
        raise Refused(Reason(text, hint=hint), is_unsound=True)
    data = model.SerializeToString()
    promises = [
        Promise(outlet.name, place, _precision(written.graph, outlet.value))
        for outlet, place in zip(outlets, written.outputs, strict=True)
    ]
    refusal = check_graph(data, function, shaken, promises, samples, names)
    if refusal is not None:
        raise Refused(refusal.reason, is_unsound=refusal.is_unsound)
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


def _check_names(outlets: Sequence[Outlet], inputs: Mapping[str, Value]) -> None:
    """Refuse a field that bears the name of an output: one graph cannot hold both."""
    for outlet in outlets:
        if outlet.name in inputs:
            raise Refused(
                Reason(
                    f"the field {outlet.name!r} is called as an input of the network",
                    hint="give the field, or its data set, another name",
                )
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


def _precision(graph: Graph, value: Value) -> float:
    """Return how precise a slot is: to the last bit by exact steps, else as the narrowest float behind it."""
    if not is_inexact(graph, value):
        return 0.0
    return max(TOLERANCE.get(dtype, 0.0) for node in needed_nodes([value]) for dtype in node.dtypes)
