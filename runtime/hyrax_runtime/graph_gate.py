"""What a graph of a bundle may say, asked before onnxruntime sees a byte of it.

onnxruntime would read external data from the current folder, run operators of other libraries that happen to be
registered, and take several encodings of one graph. So: the domains of a closed list; external data only in the
initializers of the main graph, only in weights.bin, whose every byte belongs to a tensor or is zero padding; inputs and
outputs exactly as the manifest describes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hyrax_runtime.contract import BATCH_AXIS, Dim
from hyrax_runtime.errors import OperatorError, SignatureMismatchError
from hyrax_runtime.frozen import Frozen
from hyrax_runtime.graph_tensors import Extent, read_extents, require_inside
from hyrax_runtime.manifest import IR_VERSIONS, OPSETS, Manifest
from hyrax_runtime.onnx_messages import Message, MessageReader, name_of, text_of

DOMAINS = {"": OPSETS, "ai.onnx.ml": range(1, 7)}
_DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
}
_CURE = "Export the bundle again with hyrax-pack 1.x"


class Port(Frozen):
    """One input or output of a graph: its dtype, and its shape where it has one (None for a size not given)."""

    name: str
    dtype: str
    shape: tuple[Dim | None, ...] | None


class GraphFacts(Frozen):
    """What the gate learnt of a graph on the way."""

    where: str
    ir_version: int
    opset: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    extents: tuple[Extent, ...]
    nodes: int


def read_graph(data: bytes, where: str) -> GraphFacts:
    """Read a whole ONNX model and refuse whatever is not on the lists of this module; `where` names it in errors.

    Raises
    ------
    GraphError
        One of ProtobufError, OperatorError, ExternalDataError or SignatureMismatchError.
    """
    model = MessageReader(data, where).read_model()
    ir_version = model.get("ir_version", 0)
    if ir_version not in IR_VERSIONS:
        raise OperatorError(f"{where}: IR version {ir_version}; expected {_span(IR_VERSIONS)}. {_CURE}")
    opsets = _read_opsets(model, where)
    graph = model.get("graph")
    if graph is None:
        raise OperatorError(f"{where}: holds no graph. {_CURE}")
    _check_nodes(graph, frozenset(opsets), where)
    initializers = graph.get("initializer", ())
    inputs = _read_ports(graph, "input", where)
    taken = {port.name for port in inputs}  # an initializer that is an input could be overwritten by a caller
    for tensor in initializers:
        name = name_of(tensor, where)
        if name in taken:
            raise SignatureMismatchError(f"{where}: initializer {name!r} stands twice, or is an input too. {_CURE}")
        taken.add(name)
    return GraphFacts(
        where=where,
        ir_version=ir_version,
        opset=opsets[""],
        inputs=inputs,
        outputs=_read_ports(graph, "output", where),
        extents=tuple(read_extents(initializers, where)),
        nodes=len(graph.get("node", ())),
    )


def check_signature(facts: GraphFacts, manifest: Manifest) -> None:
    """Require that model.onnx is the graph that the manifest describes.

    Raises
    ------
    SignatureMismatchError
        Versions, names, order, dtypes or shapes differ.
    """
    described = (manifest.graph.ir_version, manifest.graph.opset)
    if (facts.ir_version, facts.opset) != described:
        found = f"IR {facts.ir_version}, opset {facts.opset}"
        raise SignatureMismatchError(
            f"{facts.where}: {found}; the manifest says IR {described[0]}, opset {described[1]}. {_CURE}"
        )
    _compare(facts.where, "inputs", facts.inputs, [Port(i.name, i.dtype, i.shape) for i in manifest.graph.inputs])
    check_outputs(facts, manifest)


def check_outputs(facts: GraphFacts, manifest: Manifest) -> None:
    """Require the outputs that the manifest describes, of model.onnx and of fused.onnx alike; raises as above."""
    _compare(facts.where, "outputs", facts.outputs, [Port(o.name, o.dtype, o.shape) for o in manifest.outputs])


def check_lowered(facts: GraphFacts, manifest: Manifest) -> None:
    """Require that to_tensor.onnx makes the inputs of model.onnx, in any order, from fields; raises as above."""
    described = {entry.name: Port(entry.name, entry.dtype, entry.shape) for entry in manifest.graph.inputs}
    order = {port.name: place for place, port in enumerate(facts.outputs)}
    expected = sorted(described.values(), key=lambda port: order.get(port.name, len(order)))
    _compare(facts.where, "outputs", facts.outputs, expected)
    check_fields(facts, manifest)


def check_fields(facts: GraphFacts, manifest: Manifest) -> None:
    """Require that every input is a field that `to_tensor` reads, by its path, stacked; raises as above."""
    fields = {field.path: field for field in manifest.contract.fields if field.read and field.kind == "array"}
    for port in facts.inputs:
        field = fields.get(port.name)
        if field is None:
            raise SignatureMismatchError(
                f"{facts.where}: input {port.name!r} is no field that to_tensor reads; expected some of "
                f"{', '.join(map(repr, fields)) or 'none'}. {_CURE}"
            )
        _compare(facts.where, "inputs", [port], [Port(field.path, field.dtype, (BATCH_AXIS, *field.shape))])


def _read_opsets(model: Message, where: str) -> dict[str, int]:
    """The version of each operator set that the model asks for."""
    opsets: dict[str, int] = {}
    for entry in model.get("opset_import", ()):
        domain, version = text_of(entry.get("domain", b"")), entry.get("version", 0)
        if domain not in DOMAINS:
            raise OperatorError(f"{where}: operators of {domain!r}; expected only {_domains()}. {_CURE}")
        if domain in opsets or version not in DOMAINS[domain]:
            fault = "twice" if domain in opsets else f"version {version}; expected {_span(DOMAINS[domain])}"
            raise OperatorError(f"{where}: operator set {domain or 'ai.onnx'!r} {fault}. {_CURE}")
        opsets[domain] = version
    if "" not in opsets:
        raise OperatorError(f"{where}: asks for no version of ONNX's own operators. {_CURE}")
    return opsets


def _check_nodes(graph: Message, domains: frozenset[str], where: str) -> None:
    """Refuse operators outside `domains`, and external data in attributes and subgraphs, however deep."""
    for node in graph.get("node", ()):
        if (domain := text_of(node.get("domain", b""))) not in domains:
            op_type = text_of(node.get("op_type", b""))
            raise OperatorError(f"{where}: operator {op_type!r} of {domain!r}; expected only {_domains()}. {_CURE}")
        for attribute in node.get("attribute", ()):
            for tensor in _attribute_tensors(attribute):
                require_inside(tensor, where)
            for subgraph in _attribute_graphs(attribute):
                for tensor in subgraph.get("initializer", ()):
                    require_inside(tensor, where)
                _check_nodes(subgraph, domains, where)


def _attribute_tensors(attribute: Message) -> Iterator[Message]:
    if "t" in attribute:
        yield attribute["t"]
    yield from attribute.get("tensors", ())


def _attribute_graphs(attribute: Message) -> Iterator[Message]:
    if "g" in attribute:
        yield attribute["g"]
    yield from attribute.get("graphs", ())


def _read_ports(graph: Message, name: str, where: str) -> tuple[Port, ...]:
    ports = tuple(_read_port(value, where) for value in graph.get(name, ()))
    if len({port.name for port in ports}) < len(ports):
        raise SignatureMismatchError(f"{where}: two {name}s have one name. {_CURE}")
    return ports


def _read_port(value: Message, where: str) -> Port:
    name = name_of(value, where)
    tensor_type = value.get("type", {}).get("tensor_type")
    dtype = _DTYPES.get(tensor_type.get("elem_type", 0)) if tensor_type is not None else None
    if tensor_type is None or dtype is None:
        raise SignatureMismatchError(f"{where}: {name!r} is no tensor of a type that a bundle can hold. {_CURE}")
    shape = tensor_type.get("shape")
    return Port(name, dtype, None if shape is None else tuple(_read_dim(dim, where) for dim in shape.get("dim", ())))


def _read_dim(dim: Message, where: str) -> Dim | None:
    if "dim_value" in dim:
        return int(dim["dim_value"])
    return name_of(dim, where, "dim_param") or None


def _compare(where: str, what: str, found: Sequence[Port], described: Sequence[Port]) -> None:
    """Names and dtypes as described, in order; sizes equal, or left open by the graph where the manifest names them."""
    same = len(found) == len(described) and all(map(_agrees, found, described))
    if not same:
        raise SignatureMismatchError(
            f"{where}: {what} {_list(found)}; the manifest describes {_list(described)}. {_CURE}"
        )


def _agrees(found: Port, described: Port) -> bool:
    if (found.name, found.dtype) != (described.name, described.dtype):
        return False
    if found.shape is None or described.shape is None:
        return False
    return len(found.shape) == len(described.shape) and all(map(_dim_agrees, found.shape, described.shape))


def _dim_agrees(found: Dim | None, described: Dim | None) -> bool:
    if isinstance(described, int):
        return found == described
    return not isinstance(found, int)  # a free dimension; exporters rename those that they compute


def _list(ports: Sequence[Port]) -> str:
    return ", ".join(f"{port.name!r} {port.dtype} {_dims(port.shape)}" for port in ports) or "none"


def _dims(shape: tuple[Dim | None, ...] | None) -> str:
    return "of any shape" if shape is None else f"[{', '.join('?' if dim is None else str(dim) for dim in shape)}]"


def _domains() -> str:
    return " and ".join(domain or "ai.onnx" for domain in DOMAINS)


def _span(versions: range) -> str:
    return f"{versions[0]} to {versions[-1]}"
