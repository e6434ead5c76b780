"""From a built graph to the bytes of an ONNX model: standard domain only, one opset, the batch axis called N."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from hyrax_runtime.contract import Dim
from onnx import helper, numpy_helper

from hyrax_pack.lowering.graph.building import IR_VERSION, OPSET, OWN, Attribute, Graph, Node, Value, needed_nodes

PRODUCER = "hyrax-pack"


@dataclass(frozen=True)
class Outlet:
    """An output of the model: its name, the value, and its shape with names for free dimensions."""

    name: str
    value: Value
    shape: tuple[Dim, ...]


def to_model(graph: Graph, outlets: Sequence[Outlet], input_shapes: Mapping[str, tuple[Dim, ...]]) -> onnx.ModelProto:
    """Return the model that computes the outlets; inputs that nothing needs are left out.

    `input_shapes` gives each input of the graph its shape with "N" first; its order is the order of the inputs.
    """
    nodes = needed_nodes([outlet.value for outlet in outlets])
    used = {value.name: value for node in nodes for value in node.inputs if value is not None}
    used |= {outlet.value.name: outlet.value for outlet in outlets}
    needs_batch = graph.batch.name in used
    inputs = [name for name in input_shapes if name in used]
    if needs_batch and not inputs:
        inputs = [next(iter(input_shapes))]
    protos = _batch_size(graph, inputs[0]) if needs_batch else []
    protos += [to_node(node) for node in nodes]
    protos += [helper.make_node("Identity", [outlet.value.name], [outlet.name]) for outlet in outlets]
    body = helper.make_graph(
        protos,
        "to_tensor",
        [_info(name, graph.inputs[name].dtype, input_shapes[name]) for name in inputs],
        [_info(outlet.name, outlet.value.dtype, outlet.shape) for outlet in outlets],
        [to_initializer(value) for value in used.values() if value.constant is not None],
    )
    return make_model(body)


def make_model(body: onnx.GraphProto) -> onnx.ModelProto:
    """Wrap a graph as a model of our one opset and IR version, and check it in full."""
    model = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name=PRODUCER
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def to_node(node: Node, renamed: Mapping[str, str] | None = None) -> onnx.NodeProto:
    """Return the node as ONNX writes it, with other names for some of its inputs."""
    names = ["" if value is None else value.name for value in node.inputs]
    return helper.make_node(
        node.op,
        [(renamed or {}).get(name, name) for name in names],
        list(node.outputs),
        **{name: _attribute(value) for name, value in node.attributes.items()},
    )


def to_initializer(value: Value) -> onnx.TensorProto:
    """Return a constant as ONNX writes it."""
    return numpy_helper.from_array(np.asarray(value.constant), value.name)


def tensor_type(dtype: np.dtype[Any]) -> int:
    """Return ONNX's number for a dtype."""
    return int(helper.np_dtype_to_tensor_dtype(dtype))


def _batch_size(graph: Graph, source: str) -> list[onnx.NodeProto]:
    """Bind the size of the batch to the first axis of an input."""
    return [
        helper.make_node("Shape", [source], [f"{OWN}axis"], start=0, end=1),
        helper.make_node("Squeeze", [f"{OWN}axis"], [graph.batch.name]),
    ]


def _info(name: str, dtype: np.dtype[Any], shape: Sequence[Dim]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, tensor_type(dtype), list(shape))


def _attribute(value: Attribute) -> Any:
    return list(value) if isinstance(value, tuple) else value
