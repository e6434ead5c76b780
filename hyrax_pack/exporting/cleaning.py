"""The graph without its author's traces, with the names of its inputs and outputs fixed."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir
from hyrax_runtime.contract import Dim
from onnx_ir.passes import common as passes

from hyrax_pack.errors import ExportError

# Constants of at least this many elements become initializers, so that the large ones can leave the graph.
LIFT_FROM_ELEMENTS = 16
STANDARD_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


def line_of_nodes(model: ir.Model) -> dict[str, str]:
    """Read, from the traces that torch leaves on nodes, which line of the user's code each node came from.

    Returns
    -------
    dict of str to str
        Node name to `File "…", line …` of the innermost frame.
    """
    found = {}
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        frames = [
            line.strip()
            for line in node.metadata_props.get("pkg.torch.onnx.stack_trace", "").splitlines()
            if line.lstrip().startswith("File ")
        ]
        if node.name and frames:
            found[node.name] = frames[-1]
    return found


def clean(model: ir.Model) -> None:
    """Strip metadata and doc strings (each node carries its author's absolute paths), and lift large constants.

    Raises
    ------
    ExportError
        An operator of a private domain is left: no runtime but its author's could run it.
    """
    passes.InlinePass()(model)
    passes.LiftConstantsToInitializersPass(size_limit=LIFT_FROM_ELEMENTS)(model)
    passes.LiftSubgraphInitializersToMainGraphPass()(model)
    passes.RemoveUnusedNodesPass()(model)
    passes.RemoveUnusedOpsetsPass()(model)
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        if node.domain not in STANDARD_DOMAINS:
            raise ExportError(f"the graph holds {node.domain}::{node.op_type}, which is no standard ONNX operator")
        _strip_values(node.outputs)
        for graph in node.attributes.values():
            _strip_subgraph(graph)
    passes.ClearMetadataAndDocStringPass()(model)
    _strip_graph(model.graph)
    model.metadata_props.clear()
    model.doc_string = None


def fix_interface(
    model: ir.Model, inputs: Sequence[tuple[str, Sequence[Dim]]], outputs: Sequence[tuple[str, Sequence[Dim]]]
) -> None:
    """Give inputs and outputs their names and dimensions, whatever torch made of them.

    An output that is an input passed through would rename that input: it gets a node of its own. Inner values that
    bear one of the names step aside.
    """
    graph = model.graph
    taken = {name for name, _ in (*inputs, *outputs)}
    for node in ir.traversal.RecursiveGraphIterator(graph):
        for value in node.outputs:
            if value.name in taken:
                value.name = f"{value.name}_inner"
    for name in [name for name in graph.initializers if name in taken]:
        value = graph.initializers.pop(name)
        value.name = f"{name}_inner"
        graph.register_initializer(value)
    seen: set[int] = set()
    for place, value in enumerate(graph.outputs):
        if value.producer() is None or id(value) in seen:
            graph.outputs[place] = _passed_through(graph, value)
        seen.add(id(graph.outputs[place]))
    for value, (name, shape) in zip((*graph.inputs, *graph.outputs), (*inputs, *outputs), strict=True):
        value.name = name
        value.shape = ir.Shape(shape)


def _passed_through(graph: ir.Graph, value: ir.Value) -> ir.Value:
    node = ir.node("Identity", [value], num_outputs=1)
    (output,) = node.outputs
    output.type, output.shape = value.type, value.shape
    graph.append(node)
    return output


def _strip_values(values: Sequence[ir.Value | None]) -> None:
    for value in values:
        if value is not None:
            value.metadata_props.clear()
            value.doc_string = None


def _strip_graph(graph: ir.Graph) -> None:
    graph.metadata_props.clear()
    graph.doc_string = None
    _strip_values([*graph.inputs, *graph.outputs, *graph.initializers.values()])
    for value in graph.initializers.values():
        tensor = value.const_value
        if tensor is not None and (tensor.metadata_props or tensor.doc_string):
            value.const_value = ir.Tensor(tensor.numpy(), dtype=tensor.dtype, name=value.name)


def _strip_subgraph(attribute: ir.Attr) -> None:
    if attribute.type == ir.AttributeType.GRAPH:
        _strip_graph(attribute.as_graph())
    elif attribute.type == ir.AttributeType.GRAPHS:
        for graph in attribute.as_graphs():
            _strip_graph(graph)
