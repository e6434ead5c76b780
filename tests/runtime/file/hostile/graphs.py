"""Graphs that would read other files, run other code, or mean two things."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests.runtime.file import protobuf as pb
from tests.runtime.file.forge import Forge, fused_model, linear_model, lowered_model
from tests.runtime.file.hostile.cases import Case

EXTERNAL, OPERATORS, PROTOBUF, SIGNATURE = (
    "graph/external-data",
    "graph/operators",
    "graph/protobuf",
    "graph/signature",
)
X, SCORES = pb.value_info("x", pb.FLOAT, "N", 4), pb.value_info("scores", pb.FLOAT, "N", 3)
NODES = [pb.node("MatMul", ["x", "weight"], ["product"]), pb.node("Add", ["product", "bias"], ["scores"])]
WEIGHT, BIAS = pb.in_weights("weight", (4, 3), 0, 48), pb.in_weights("bias", (3,), 64, 12)


def _file(model: bytes) -> Callable[[], bytes]:
    return lambda: Forge().put("model.onnx", model).data()


def _weight(*pairs: tuple[str, str], **settings: object) -> Callable[[], bytes]:
    """The weight kept outside by these entries, all else as it was."""
    weight = pb.external("weight", (4, 3), *pairs, **settings)  # type: ignore[arg-type]
    return _file(pb.model(pb.graph(NODES, [X], [SCORES], [weight, BIAS])))


def _located(location: str, offset: str = "0", length: str = "48") -> Callable[[], bytes]:
    return _weight(("location", location), ("offset", offset), ("length", length))


def _nodes(*nodes: bytes, rest: bytes = b"", **settings: object) -> Callable[[], bytes]:
    graph = pb.graph([*NODES, *nodes], [X], [SCORES], [WEIGHT, BIAS], rest)
    return _file(pb.model(graph, **settings))  # type: ignore[arg-type]


def _ports(inputs: list[bytes], outputs: list[bytes]) -> Callable[[], bytes]:
    return _file(pb.model(pb.graph(NODES, inputs, outputs, [WEIGHT, BIAS])))


def _branch(graph: bytes) -> Callable[[], bytes]:
    """An If with this graph as a branch."""
    return _nodes(pb.node("If", ["x"], ["y"], pb.attribute_graph("b", graph)))


def _attribute(content: bytes) -> Callable[[], bytes]:
    """A Constant with one attribute, whatever that may be."""
    return _nodes(pb.node("Constant", [], ["c"], pb.block(1, "v") + content))


def _initializers(*tensors: bytes) -> Callable[[], bytes]:
    return _file(pb.model(pb.graph(NODES, [X], [SCORES], list(tensors))))


def _with(name: str, model: bytes) -> Callable[[], bytes]:
    """A bundle without code, one of its graphs exchanged."""
    return lambda: Forge().free_of_code().put(name, model).data()


def _lowered(**ports: bytes) -> Callable[[], bytes]:
    return _with("to_tensor.onnx", lowered_model(**ports))


def _fused(**ports: bytes) -> Callable[[], bytes]:
    return _with("fused.onnx", fused_model(**ports))


def _reads_elsewhere() -> bytes:
    return pb.model(pb.graph([], [X], [SCORES], [OUTSIDE]))


OUTSIDE = pb.external("w", (4, 3), ("location", "w.bin"))
BRANCH = pb.graph([pb.node("Identity", ["w"], ["y"])], [], [pb.value_info("y", pb.FLOAT, 4, 3)], [OUTSIDE])
IN_WEIGHTS_BRANCH = pb.graph([pb.node("Identity", ["w"], ["y"])], [], [], [pb.in_weights("w", (4, 3), 0, 48)])
IN_WEIGHTS = (("location", "weights.bin"), ("offset", "0"), ("length", "48"))
INSIDE = pb.floats("one", (), 1.0)


TWO_VALUED = pb.block(1, "x") + pb.block(
    2, pb.block(1, pb.number(1, 1) + pb.block(2, pb.block(1, pb.number(1, 4) + pb.block(2, "N"))))
)


def _nested(levels: int) -> bytes:
    """A branch within a branch, `levels` deep, with external data at the bottom."""
    graph = BRANCH
    for _ in range(levels):
        graph = pb.graph([pb.node("If", ["x"], ["y"], pb.attribute_graph("b", graph))], [], [])
    return graph


def _shape_of(offset: int, length: int) -> Callable[[], bytes]:
    return _located("weights.bin", str(offset), str(length))


GRAPHS: tuple[Case, ...] = (
    Case("external data in the current folder", EXTERNAL, _located("w.bin")),
    Case("external data above", EXTERNAL, _located("../weights.bin")),
    Case("external data by another spelling", EXTERNAL, _located("./weights.bin")),
    Case("external data in /etc", EXTERNAL, _located("/etc/hostname")),
    Case("external data behind a URL", EXTERNAL, _located("file:///etc/hostname")),
    Case("external data at a memory address", EXTERNAL, _located("*/_ORT_MEM_ADDR_/*")),
    Case("external data in weights.bin with NUL", EXTERNAL, _located("weights.bin\0")),
    Case("external data without a place", EXTERNAL, _weight(("location", "weights.bin"))),
    Case("external data without a location", EXTERNAL, _weight(("offset", "0"), ("length", "48"))),
    Case(
        "external data with two locations",
        EXTERNAL,
        _weight(("location", "weights.bin"), ("location", "w.bin"), ("offset", "0"), ("length", "48")),
    ),
    Case(
        "external data with a checksum",
        EXTERNAL,
        _weight(*IN_WEIGHTS, ("checksum", "0")),
    ),
    Case("external entries on a tensor said to be inside", EXTERNAL, _weight(("location", "w.bin"), location=0)),
    Case("a location of 2", EXTERNAL, _weight(("location", "w.bin"), location=2)),
    Case("a tensor said to be outside without entries", EXTERNAL, _weight()),
    Case(
        "a tensor inside and outside",
        EXTERNAL,
        _weight(*IN_WEIGHTS, rest=pb.block(9, bytes(48))),
    ),
    Case(
        "an initializer with values in two fields",
        PROTOBUF,
        _initializers(WEIGHT, BIAS, pb.floats("a", (1,), 1.0) + pb.block(4, bytes(4))),
    ),
    Case("a constant with values in two fields", PROTOBUF, _attribute(pb.block(5, INSIDE + pb.block(4, bytes(4))))),
    Case("external data in an If branch", EXTERNAL, _branch(BRANCH)),
    Case(
        "external data in weights.bin from an If branch",
        EXTERNAL,
        _branch(IN_WEIGHTS_BRANCH),
    ),
    Case("external data eight branches deep", EXTERNAL, _branch(_nested(8))),
    Case("external data in a list of graphs", EXTERNAL, _attribute(pb.block(11, BRANCH))),
    Case("external data in a Constant", EXTERNAL, _attribute(pb.block(5, OUTSIDE))),
    Case("external data in a list of tensors", EXTERNAL, _attribute(pb.block(10, OUTSIDE))),
    Case("a sparse initializer", OPERATORS, _nodes(rest=pb.block(15, pb.block(1, OUTSIDE)))),
    Case("a sparse attribute", OPERATORS, _attribute(pb.block(22, pb.block(1, OUTSIDE)))),
    Case("a function", OPERATORS, _file(linear_model(rest=pb.block(25, pb.block(1, "f"))))),
    Case("training info", OPERATORS, _file(linear_model(rest=pb.block(20, pb.block(1, BRANCH))))),
    Case("a device configuration", OPERATORS, _file(linear_model(rest=pb.block(26, b"")))),
    Case("offset -1", EXTERNAL, _located("weights.bin", "-1")),
    Case("offset in hex", EXTERNAL, _located("weights.bin", "0x0")),
    Case("offset with a space", EXTERNAL, _located("weights.bin", " 0")),
    Case("offset with a plus", EXTERNAL, _located("weights.bin", "+0")),
    Case("offset with a leading zero", EXTERNAL, _located("weights.bin", "00")),
    Case("offset with a line end", EXTERNAL, _located("weights.bin", "0\n")),
    Case("offset in other digits", EXTERNAL, _located("weights.bin", "\u0660")),
    Case("offset past the end", EXTERNAL, _shape_of(1 << 40, 48)),
    Case("offset over 64 bits", EXTERNAL, _located("weights.bin", str(1 << 70))),
    Case("offset not aligned", EXTERNAL, _shape_of(4, 48)),
    Case("a length of nothing", EXTERNAL, _shape_of(0, 0)),
    Case("a length other than the shape's", EXTERNAL, _shape_of(0, 44)),
    Case("a length of 4,300 digits", EXTERNAL, _located("weights.bin", "0", "9" * 4300)),
    Case("tensors that overlap", EXTERNAL, _initializers(WEIGHT, pb.in_weights("bias", (19,), 0, 76))),
    Case("a tensor over two", EXTERNAL, _initializers(WEIGHT, BIAS, pb.in_weights("all", (19,), 0, 76))),
    Case("bytes of no tensor at the end", EXTERNAL, _initializers(WEIGHT, pb.in_weights("bias", (2,), 64, 8))),
    Case(
        "bytes of no tensor in the middle",
        "container/header",
        _initializers(pb.in_weights("weight", (4,), 0, 16), BIAS),
    ),
    Case("a tensor of a type without a size", EXTERNAL, _weight(*IN_WEIGHTS, elem_type=pb.STRING)),
    Case("weights that no graph asks for", EXTERNAL, _initializers(INSIDE)),
    Case("weights that are not there", EXTERNAL, lambda: Forge().remove("weights.bin").data()),
    Case(
        "a custom domain",
        OPERATORS,
        _nodes(pb.node("Evil", ["x"], ["y"], domain="com.evil"), opsets=(("", 21), ("com.evil", 1))),
    ),
    Case("a custom domain that nobody imports", OPERATORS, _nodes(pb.node("Evil", ["x"], ["y"], domain="com.evil"))),
    Case(
        "com.microsoft",
        OPERATORS,
        _nodes(pb.node("Gelu", ["x"], ["y"], domain="com.microsoft"), opsets=(("", 21), ("com.microsoft", 1))),
    ),
    Case("EPContext", OPERATORS, _nodes(pb.node("EPContext", [], ["y"], domain="com.microsoft"))),
    Case(
        "a custom domain in a branch",
        OPERATORS,
        _branch(pb.graph([pb.node("Evil", [], [], domain="e")], [], [])),
    ),
    Case("opset 999", OPERATORS, _nodes(opsets=(("", 999),))),
    Case("opset 1", OPERATORS, _nodes(opsets=(("", 1),))),
    Case("opset negative", OPERATORS, _nodes(opsets=(("", -1),))),
    Case("two opsets", OPERATORS, _nodes(opsets=(("", 21), ("", 20)))),
    Case("no opset", OPERATORS, _nodes(opsets=())),
    Case("opset other than the manifest's", SIGNATURE, _nodes(opsets=(("", 20),))),
    Case("IR version 99", OPERATORS, _nodes(ir_version=99)),
    Case("IR version other than the manifest's", SIGNATURE, _nodes(ir_version=9)),
    Case("an input more", SIGNATURE, _ports([X, pb.value_info("y", pb.FLOAT, "N")], [SCORES])),
    Case("an input of another name", SIGNATURE, _ports([pb.value_info("y", pb.FLOAT, "N", 4)], [SCORES])),
    Case("an input of another dtype", SIGNATURE, _ports([pb.value_info("x", 11, "N", 4)], [SCORES])),
    Case("an input of another shape", SIGNATURE, _ports([pb.value_info("x", pb.FLOAT, "N", 5)], [SCORES])),
    Case("an input of a fixed batch", SIGNATURE, _ports([pb.value_info("x", pb.FLOAT, 1, 4)], [SCORES])),
    Case("an input of another rank", SIGNATURE, _ports([pb.value_info("x", pb.FLOAT, "N")], [SCORES])),
    Case("an input without a type", SIGNATURE, _ports([pb.block(1, "x")], [SCORES])),
    Case(
        "an input that is a sequence", SIGNATURE, _ports([pb.block(1, "x") + pb.block(2, pb.block(4, b""))], [SCORES])
    ),
    Case("an input that is opaque", OPERATORS, _ports([pb.block(1, "x") + pb.block(2, pb.block(7, b""))], [SCORES])),
    Case("inputs of one name", SIGNATURE, _ports([X, X], [SCORES])),
    Case("an output more", SIGNATURE, _ports([X], [SCORES, pb.value_info("product", pb.FLOAT, "N", 3)])),
    Case("no output", SIGNATURE, _ports([X], [])),
    Case("an output of another dtype", SIGNATURE, _ports([X], [pb.value_info("scores", pb.INT64, "N", 3)])),
    Case("an initializer that is an input", SIGNATURE, _initializers(WEIGHT, BIAS, pb.floats("x", (1,), 1.0))),
    Case("an initializer twice", SIGNATURE, _initializers(WEIGHT, BIAS, BIAS)),
    Case(
        "a dimension whose name is no UTF-8", PROTOBUF, _file(linear_model().replace(b"\x12\x01N", b"\x12\x01\xb0", 1))
    ),
    Case(
        "an initializer whose name is no UTF-8", PROTOBUF, _file(linear_model().replace(b"weight", b"\xff\xfeight", 2))
    ),
    Case(
        "a lowered function of a field that is not there",
        SIGNATURE,
        _lowered(takes=pb.value_info("data/mag", 1, "N", 4)),
    ),
    Case("a lowered function of another dtype", SIGNATURE, _lowered(takes=pb.value_info("data/flux", 11, "N", 4))),
    Case("a lowered function of another shape", SIGNATURE, _lowered(takes=pb.value_info("data/flux", 1, "N", 5))),
    Case("a lowered function that makes another tensor", SIGNATURE, _lowered(makes=pb.value_info("y", 1, "N", 4))),
    Case("a lowered function that makes another shape", SIGNATURE, _lowered(makes=pb.value_info("x", 1, "N", 3))),
    Case("a lowered function with external data elsewhere", EXTERNAL, _with("to_tensor.onnx", _reads_elsewhere())),
    Case("a fused graph of a field that is not there", SIGNATURE, _fused(takes=pb.value_info("x", 1, "N", 4))),
    Case("a fused graph with another output", SIGNATURE, _fused(makes=pb.value_info("y", 1, "N", 3))),
    Case("a fused graph with external data elsewhere", EXTERNAL, _with("fused.onnx", _reads_elsewhere())),
    Case("an ORT flatbuffer", PROTOBUF, _file(b"\x18\0\0\0ORTM" + bytes(64))),
    Case("a byte", PROTOBUF, _file(b"\0")),
    Case("a text", PROTOBUF, _file(b"graph { node { op_type: 'Relu' } }")),
    Case("a second graph", PROTOBUF, _file(linear_model(rest=pb.block(7, BRANCH)))),
    Case("a second IR version", PROTOBUF, _file(linear_model(rest=pb.number(1, 10)))),
    Case("a second branch in one attribute", PROTOBUF, _attribute(pb.block(6, BRANCH) + pb.block(6, BRANCH))),
    Case("both values of a dimension", PROTOBUF, _ports([TWO_VALUED], [SCORES])),
    Case("an unknown field", PROTOBUF, _file(linear_model(rest=pb.block(99, b"?")))),
    Case("field 0", PROTOBUF, _file(linear_model(rest=b"\x02\x00"))),
    Case("a group", PROTOBUF, _file(linear_model(rest=pb.varint(7 << 3 | 3) + pb.varint(7 << 3 | 4)))),
    Case("a field of another wire type", PROTOBUF, _file(linear_model(rest=pb.varint(5 << 3 | 1) + bytes(8)))),
    Case("a varint of eleven bytes", PROTOBUF, _file(linear_model(rest=pb.varint(5 << 3) + b"\x80" * 10 + b"\x01"))),
    Case("a varint over 64 bits", PROTOBUF, _file(linear_model(rest=pb.varint(5 << 3) + b"\xff" * 9 + b"\x7f"))),
    Case("a varint longer than needed", PROTOBUF, _file(linear_model(rest=pb.varint(5 << 3) + b"\x81\x00"))),
    Case("a tag longer than needed", PROTOBUF, _file(linear_model(rest=b"\xa8\x00\x01"))),
    Case("a length past the end", PROTOBUF, _file(linear_model(rest=pb.varint(6 << 3 | 2) + pb.varint(1 << 40)))),
    Case("a model cut short", PROTOBUF, _file(linear_model()[:-3])),
    Case("messages nested 100 deep", PROTOBUF, _branch(_nested(100))),
    Case(
        "a float cut short",
        PROTOBUF,
        _nodes(pb.node("Elu", ["x"], ["y"], pb.varint(2 << 3 | 5) + struct.pack("<H", 1))),
    ),
    Case("dimensions packed and cut short", PROTOBUF, _initializers(WEIGHT, pb.block(1, b"\x80") + BIAS)),
)
