"""Probabilities near 0: onnxruntime's Sigmoid is right to 5e-8; 3e-7 comes out a sixth too large, and 2e-9 as 0.

Inside a network that is below its noise. Behind the last product of matrices it is the answer itself, or goes through a
logarithm to it: there a Sigmoid is written out as 1 / (1 + exp(-x)), which is right to some units in the last place.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

# Behind these, values are sums of many others: their noise is that of the sum.
_MIXING = frozenset(
    {"Conv", "ConvTranspose", "Einsum", "GRU", "Gemm", "LSTM", "LayerNormalization", "MatMul", "RNN", "ReduceMean"}
)
_DTYPES = (ir.DataType.FLOAT, ir.DataType.DOUBLE)


def write_out_sigmoids(model: ir.Model) -> None:
    """Replace every Sigmoid that no mixing operator stands behind, in place."""
    graph = model.graph
    seen: set[ir.Node] = set()
    waiting = [value.producer() for value in graph.outputs]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen or node.op_type in _MIXING:
            continue
        seen.add(node)
        waiting.extend(value.producer() for value in node.inputs if value is not None)
        if node.op_type == "Sigmoid" and node.outputs[0].dtype in _DTYPES:
            _write_out(graph, node)


def _write_out(graph: ir.Graph, node: ir.Node) -> None:
    dtype = node.outputs[0].dtype
    assert dtype is not None
    one = ir.node("Constant", [], {"value": ir.tensor(np.array(1, dtype.numpy()))})
    negative = ir.node("Neg", node.inputs)
    power = ir.node("Exp", negative.outputs)
    total = ir.node("Add", [power.outputs[0], one.outputs[0]])
    answer = ir.node("Reciprocal", total.outputs)
    for step in (one, negative, power, total, answer):
        step.outputs[0].dtype = dtype
    answer.outputs[0].shape = node.outputs[0].shape
    answer.outputs[0].name = node.outputs[0].name
    answer.metadata_props.update(node.metadata_props)
    graph.insert_before(node, [one, negative, power, total, answer])
    ir.convenience.replace_all_uses_with(node.outputs[0], answer.outputs[0], replace_graph_outputs=True)
    graph.remove(node, safe=True)
