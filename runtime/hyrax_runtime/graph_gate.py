"""What a graph of a bundle may say, asked before onnxruntime sees a byte of it.

onnxruntime would read external data from the current folder, run operators of other libraries that happen to be
registered, and take several encodings of one graph. So: the domains of a closed list; external data only in the
initializers of the main graph, only in weights.bin, whose every byte belongs to a tensor or is zero padding; inputs and
outputs exactly as the manifest describes them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hyrax_runtime.container import TENSOR_ALIGN
from hyrax_runtime.contract import Dim
from hyrax_runtime.errors import ExternalDataError, OperatorError, ProtobufError, SignatureMismatchError
from hyrax_runtime.manifest import IR_VERSIONS, OPSETS, Manifest
from hyrax_runtime.onnx_messages import Message, MessageReader, integers

WEIGHTS_NAME = "weights.bin"
DOMAINS = {"": OPSETS, "ai.onnx.ml": range(1, 7)}
MAX_DIM = 1 << 40
MAX_RANK = 32
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
# Types of whole bytes that may stand in weights.bin, bfloat16 and the 8-bit floats with them.
_ITEM_SIZE = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16, 16: 2}
_ITEM_SIZE |= dict.fromkeys(range(17, 21), 1)
_DECIMAL = re.compile(rb"0|[1-9][0-9]{0,18}")
_CURE = "Export the bundle again with hyrax-pack 1.x"


@dataclass(frozen=True)
class Extent:
    """The bytes of weights.bin that one tensor takes."""

    offset: int
    length: int
    tensor: str


@dataclass(frozen=True)
class Port:
    """One input or output of a graph: its dtype, and its shape where it has one (None for a size not given)."""

    name: str
    dtype: str
    shape: tuple[Dim | None, ...] | None


@dataclass(frozen=True)
class GraphFacts:
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
        name = _name(tensor, where)
        if name in taken:
            raise SignatureMismatchError(f"{where}: initializer {name!r} stands twice, or is an input too. {_CURE}")
        taken.add(name)
    return GraphFacts(
        where=where,
        ir_version=ir_version,
        opset=opsets[""],
        inputs=inputs,
        outputs=_read_ports(graph, "output", where),
        extents=tuple(_extents(initializers, where)),
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


def check_tiling(graphs: Iterable[GraphFacts], size: int | None, where: str) -> tuple[tuple[int, int], ...]:
    """Require that the tensors of all graphs together tile weights.bin; answer the padding as (offset, length).

    Graphs share tensors by naming the same bytes. Tensors stand in order, each at the first multiple of 64 after the
    one before; the last ends the file. `size` is None where there is no weights.bin.

    Raises
    ------
    ExternalDataError
        Tensors overlap, leave bytes over, or reach beyond the end.
    """
    extents = {(extent.offset, extent.length): extent for facts in graphs for extent in facts.extents}
    if size is None:
        if extents:
            name = next(iter(extents.values())).tensor
            raise ExternalDataError(f"{where}: tensor {name!r} is in {WEIGHTS_NAME}, which is no member. {_CURE}")
        return ()
    gaps: list[tuple[int, int]] = []
    end = 0
    for offset, length in sorted(extents):
        expected = end + -end % TENSOR_ALIGN
        if offset != expected or offset + length > size:
            name = extents[offset, length].tensor
            raise ExternalDataError(
                f"{where}: tensor {name!r} takes {length} bytes from {offset} of {WEIGHTS_NAME}; "
                f"expected it at {expected}, within {size}. {_CURE}"
            )
        if expected > end:
            gaps.append((end, expected - end))
        end = offset + length
    if end != size:
        raise ExternalDataError(
            f"{where}: {size - end} bytes at the end of {WEIGHTS_NAME} belong to no tensor. {_CURE}"
        )
    return tuple(gaps)


def _read_opsets(model: Message, where: str) -> dict[str, int]:
    """The version of each operator set that the model asks for."""
    opsets: dict[str, int] = {}
    for entry in model.get("opset_import", ()):
        domain, version = _text(entry.get("domain", b"")), entry.get("version", 0)
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
        if (domain := _text(node.get("domain", b""))) not in domains:
            op_type = _text(node.get("op_type", b""))
            raise OperatorError(f"{where}: operator {op_type!r} of {domain!r}; expected only {_domains()}. {_CURE}")
        for attribute in node.get("attribute", ()):
            for tensor in _attribute_tensors(attribute):
                _require_inside(tensor, where)
            for subgraph in _attribute_graphs(attribute):
                for tensor in subgraph.get("initializer", ()):
                    _require_inside(tensor, where)
                _check_nodes(subgraph, domains, where)


def _attribute_tensors(attribute: Message) -> Iterator[Message]:
    if "t" in attribute:
        yield attribute["t"]
    yield from attribute.get("tensors", ())


def _attribute_graphs(attribute: Message) -> Iterator[Message]:
    if "g" in attribute:
        yield attribute["g"]
    yield from attribute.get("graphs", ())


def _require_inside(tensor: Message, where: str) -> None:
    """Of an attribute or subgraph: onnxruntime would read its external data from a file, whatever it is given."""
    if "external_data" in tensor or tensor.get("data_location", 0) != 0:
        name = _text(tensor.get("name", b""))
        raise ExternalDataError(
            f"{where}: tensor {name!r} of an attribute or subgraph is kept outside the graph; "
            f"only initializers of the main graph may be. {_CURE}"
        )


def _extents(initializers: Iterable[Message], where: str) -> Iterator[Extent]:
    for tensor in initializers:
        location = tensor.get("data_location", 0)
        if location == 0 and "external_data" not in tensor:
            continue
        name = _name(tensor, where)
        if location != 1 or "external_data" not in tensor:
            raise ExternalDataError(f"{where}: tensor {name!r} is half external: location {location}. {_CURE}")
        if tensor.keys() - _EXTERNAL_FIELDS:
            raise ExternalDataError(f"{where}: tensor {name!r} is both inside the graph and outside. {_CURE}")
        yield _read_extent(tensor, name, where)


_EXTERNAL_FIELDS = {
    "dims", "packed_dims", "data_type", "name", "doc_string", "external_data", "data_location", "metadata_props"
}  # fmt: skip


def _read_extent(tensor: Message, name: str, where: str) -> Extent:
    """Where an external tensor stands: exactly location, offset and length, as its type and shape make them."""
    place = f"{where}: tensor {name!r}"
    pairs = [(entry.get("key", b""), entry.get("value", b"")) for entry in tensor["external_data"]]
    entries = dict(pairs)
    if len(pairs) != 3 or entries.keys() != {b"location", b"offset", b"length"}:
        keys = ", ".join(sorted(_text(key) for key, _ in pairs))
        raise ExternalDataError(f"{place}: external data with {keys}; expected location, offset and length. {_CURE}")
    if entries[b"location"] != WEIGHTS_NAME.encode():
        location = _text(entries[b"location"])
        raise ExternalDataError(f"{place}: external data in {location[:80]!r}; expected {WEIGHTS_NAME!r}. {_CURE}")
    numbers = {key: entries[key] for key in (b"offset", b"length")}
    for key, value in numbers.items():
        if not _DECIMAL.fullmatch(value):
            raise ExternalDataError(f"{place}: {_text(key)} {_text(value)[:40]!r}; expected a plain decimal. {_CURE}")
    offset, length = int(numbers[b"offset"]), int(numbers[b"length"])
    if offset % TENSOR_ALIGN:
        raise ExternalDataError(f"{place}: offset {offset}; expected a multiple of {TENSOR_ALIGN}. {_CURE}")
    dims = integers(tensor, "dims", place)
    item_size = _ITEM_SIZE.get(tensor.get("data_type", 0))
    known = item_size is not None and len(dims) <= MAX_RANK and all(0 < dim <= MAX_DIM for dim in dims)
    if not known or length != math.prod(dims) * (item_size or 0):
        data_type = tensor.get("data_type", 0)
        raise ExternalDataError(
            f"{place}: length {length}; its type {data_type} and shape {dims[:MAX_RANK]} differ. {_CURE}"
        )
    return Extent(offset, length, name)


def _read_ports(graph: Message, name: str, where: str) -> tuple[Port, ...]:
    ports = tuple(_read_port(value, where) for value in graph.get(name, ()))
    if len({port.name for port in ports}) < len(ports):
        raise SignatureMismatchError(f"{where}: two {name}s have one name. {_CURE}")
    return ports


def _read_port(value: Message, where: str) -> Port:
    name = _name(value, where)
    tensor_type = value.get("type", {}).get("tensor_type")
    dtype = _DTYPES.get(tensor_type.get("elem_type", 0)) if tensor_type is not None else None
    if tensor_type is None or dtype is None:
        raise SignatureMismatchError(f"{where}: {name!r} is no tensor of a type that a bundle can hold. {_CURE}")
    shape = tensor_type.get("shape")
    return Port(name, dtype, None if shape is None else tuple(map(_read_dim, shape.get("dim", ()))))


def _read_dim(dim: Message) -> Dim | None:
    if "dim_value" in dim:
        return int(dim["dim_value"])
    return _text(dim["dim_param"]) if dim.get("dim_param") else None


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


def _name(message: Message, where: str) -> str:
    """The name of a tensor, input or output."""
    data: bytes = message.get("name", b"")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtobufError(f"{where}: the name {_text(data)[:80]!r} is no UTF-8. {_CURE}") from error


def _text(data: bytes) -> str:
    """Bytes for a message, or for comparison with the names of a closed list."""
    return data.decode("utf-8", "backslashreplace")
