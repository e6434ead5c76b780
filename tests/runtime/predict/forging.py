"""Bundles with a network of one's own: ONNX messages byte by byte, golden vectors computed on the spot.

The forge of `tests.runtime.file` breaks one small bundle in every way; this one makes many sound ones.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from hyrax_runtime.bundle import lay_out_bundle
from hyrax_runtime.container import MEMBER_ALIGN, WEIGHTS_ALIGN, head_bytes
from hyrax_runtime.contract import FieldContract, InputContract
from hyrax_runtime.contract_check import InputCheck
from hyrax_runtime.golden import encode_column
from hyrax_runtime.manifest import (
    MEMBER_OF_ROLE,
    Golden,
    Graph,
    GraphInput,
    Manifest,
    Member,
    Output,
    Preprocessing,
    Requirement,
    Role,
    Slot,
)
from hyrax_runtime.manifest_encoding import encode_manifest
from hyrax_runtime.manifest_parsing import manifest_to_plain
from hyrax_runtime.replay import as_slots, compile_function
from hyrax_runtime.session import VERSION, open_session

from tests.runtime.file.protobuf import block, graph, in_weights, model, node, number, tensor, value_info

ONNX_TYPE = {"float32": 1, "int64": 7}

Ports = tuple[list[tuple[str, str, tuple[int | str, ...]]], list[tuple[str, str, tuple[int | str, ...]]]]


# --- networks ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """A graph, its weights, and what the manifest says of both."""

    graph: bytes
    weights: bytes | None
    inputs: tuple[GraphInput, ...]
    outputs: tuple[Output, ...]


def inline(name: str, values: np.ndarray[Any, Any]) -> bytes:
    return tensor(name, ONNX_TYPE[values.dtype.name], values.shape, block(9, values.tobytes()))


def operation(op_type: str, inputs: list[str], output: str, **attributes: int | Sequence[int]) -> bytes:
    """A node with attributes that are whole numbers, or lists of them."""
    written = []
    for name, value in attributes.items():
        if isinstance(value, int):
            written.append(block(1, name) + number(3, value) + number(20, 2))
        else:
            written.append(block(1, name) + b"".join(number(8, one) for one in value) + number(20, 7))
    return node(op_type, inputs, [output], *written)


def network_of(nodes: list[bytes], tensors: list[bytes], weights: bytes | None, ports: Ports) -> Network:
    """Put a graph together; inputs and outputs as (name, dtype, shape)."""
    inputs, outputs = ports
    content = graph(
        nodes,
        [value_info(name, ONNX_TYPE[dtype], *shape) for name, dtype, shape in inputs],
        [value_info(name, ONNX_TYPE[dtype], *shape) for name, dtype, shape in outputs],
        tensors,
    )
    declared = tuple(output_of(*each) for each in outputs)
    return Network(model(content), weights, tuple(GraphInput(*each) for each in inputs), declared)


def output_of(name: str, dtype: str, shape: tuple[int | str, ...]) -> Output:
    exact = dtype == "int64"
    return Output(name, dtype, shape, 0.0 if exact else 1e-6, 0.0 if exact else 1e-7, 0.0 if exact else 4.0)


def dense(features: int, classes: int = 3, *, in_file: bool = True) -> Network:
    """`scores` (N, classes) float32 = x @ w + b, and `best` (N) int64, its argmax."""
    random = np.random.default_rng(7)
    w = random.normal(size=(features, classes)).astype("f4")
    b = random.normal(size=classes).astype("f4")
    tensors = [in_weights("w", w.shape, 0, w.nbytes) if in_file else inline("w", w), inline("b", b)]
    nodes = [
        operation("MatMul", ["x", "w"], "product"),
        operation("Add", ["product", "b"], "scores"),
        operation("ArgMax", ["scores"], "best", axis=1, keepdims=0),
    ]
    outputs = [("scores", "float32", ("N", classes)), ("best", "int64", ("N",))]
    return network_of(nodes, tensors, w.tobytes() if in_file else None, ([("x", "float32", ("N", features))], outputs))


def convolutional(channels: int = 3, size: int = 63, width: int = 16) -> Network:
    """`scores` (N, 3) of images: three convolutions that halve the image and double the channels, a mean, a matrix."""
    random = np.random.default_rng(7)
    nodes, tensors, name, given = [], [], "x", channels
    for layer, made in enumerate((width, 2 * width, 4 * width)):
        kernel = (random.normal(size=(made, given, 3, 3)) / np.sqrt(given * 9)).astype("f4")
        tensors.append(inline(f"kernel{layer}", kernel))
        shape: dict[str, Sequence[int]] = {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1), "strides": (2, 2)}
        nodes.append(operation("Conv", [name, f"kernel{layer}"], f"conv{layer}", **shape))
        nodes.append(operation("Relu", [f"conv{layer}"], f"relu{layer}"))
        name, given = f"relu{layer}", made
    tensors.append(inline("w", random.normal(size=(given, 3)).astype("f4")))
    nodes.append(operation("GlobalAveragePool", [name], "mean"))
    nodes.append(operation("Flatten", ["mean"], "flat", axis=1))
    nodes.append(operation("MatMul", ["flat", "w"], "scores"))
    ports: Ports = ([("x", "float32", ("N", channels, size, size))], [("scores", "float32", ("N", 3))])
    return network_of(nodes, tensors, None, ports)


def doubling(network: Network, factor: float = 2.0) -> dict[Role, bytes]:
    """What DOUBLING_TEXT lowers to: `data/features` times two, alone and before `network`'s scores of ten features."""
    twice = operation("Mul", ["data/features", "two"], "x")
    two = inline("two", np.array(factor, "f4"))
    into = [("data/features", "float32", ("N", 10))]
    weights = [in_weights("w", (10, 3), 0, 120), inline("b", bias_of(network))]
    nodes = [operation("MatMul", ["x", "w"], "product"), operation("Add", ["product", "b"], "scores")]
    nodes.append(operation("ArgMax", ["scores"], "best", axis=1, keepdims=0))
    outputs = [(each.name, each.dtype, each.shape) for each in network.outputs]
    return {
        "lowered": network_of([twice], [two], None, (into, [("x", "float32", ("N", 10))])).graph,
        "fused": network_of([twice, *nodes], [two, *weights], None, (into, outputs)).graph,
    }


def bias_of(network: Network) -> np.ndarray[Any, Any]:
    """What a dense network answers to zeros."""
    zeros = {"x": np.zeros((1, 10), "f4")}
    return open_session(network.graph, memoryview(network.weights or b""), threads=1).run(zeros)["scores"][0]


def lookup(entries: int) -> Network:
    """`value` (N) float32: row `index` of a table; onnxruntime fails where there is no such row."""
    table = inline("table", np.arange(entries, dtype="f4") / 2)
    ports: Ports = ([("index", "int64", ("N",))], [("value", "float32", ("N",))])
    return network_of([operation("Gather", ["table", "index"], "value")], [table], None, ports)


# --- bundles -------------------------------------------------------------------------------------------------------


def forge(
    path: Path,
    contract: InputContract,
    text: str,
    network: Network,
    golden: Mapping[str, Any],
    *,
    packages: Mapping[str, str] | None = None,
    requirements: tuple[Requirement, ...] = (),
    change: Callable[[dict[str, Any]], None] = lambda parts: None,
    lowered: Mapping[Role, bytes] | None = None,
    forms: Sequence[Literal["replay", "lowered"]] = ("replay",),
) -> Path:
    """Write a sound bundle whose golden vectors are what this machine computes, unless `change` meddles with them.

    `lowered` holds the graphs of the roles `lowered` and `fused`; the first of `forms` is the preferred one.
    """
    prepared = InputCheck(contract).prepare(golden)
    returned = as_slots(compile_function(text)(prepared.data_dict), rows=prepared.rows)
    names = iter(each.name for each in network.inputs)
    slots = tuple(_slot_of(value, names, network) for value in returned.slots)
    tensors = {slot.graph_input: value for slot, value in zip(slots, returned.slots, strict=True) if slot.graph_input}
    weights = None if network.weights is None else memoryview(network.weights)
    outputs = open_session(network.graph, weights, threads=1).run(tensors)
    parts = {"tensors": dict(tensors), "outputs": dict(outputs), "text": text}
    change(parts)
    members: dict[str, tuple[Role, bytes]] = {
        "model.onnx": ("graph", network.graph),
        "to_tensor.py": ("to_tensor", parts["text"].encode()),
    }
    members |= {MEMBER_OF_ROLE[role]: (role, content) for role, content in (lowered or {}).items()}
    if "replay" not in forms:
        del members["to_tensor.py"]

    def columns(stage: str, values: Mapping[str, Any], kinds: Mapping[str, Any]) -> Any:
        made = []
        for place, (name, rows) in enumerate(values.items()):
            column, files = encode_column(name, kinds.get(name, "array"), rows, member=f"golden/{stage}-{place}")
            members.update({file: ("golden", data) for file, data in files.items()})
            made.append(column)
        return tuple(made)

    flat = {field.path: prepared.data_dict[field.friendly][field.field] for field in contract.read}
    record = Golden(
        prepared.rows,
        columns("input", flat, {field.path: field.kind for field in contract.read}),
        columns("tensor", parts["tensors"], {}),
        columns("output", parts["outputs"], {}),
    )
    manifest = Manifest(
        name="forged",
        members=(),
        contract=contract,
        preprocessing=Preprocessing(tuple(forms), forms[0], returned.returns, slots, False, requirements),
        graph=Graph(21, 10, network.inputs),
        outputs=network.outputs,
        golden=record,
        parity={},
        batch_proof={},
        provenance={"packages": dict(packages or {"numpy": np.__version__, "onnxruntime": VERSION})},
        metrics={},
        extensions={},
    )
    if network.weights is not None:
        members["weights.bin"] = ("weights", network.weights)
    return write(path, manifest, members)


def _slot_of(value: Any, names: Any, network: Network) -> Slot:
    if value is None:
        return Slot("none", "", (), None)
    if len(value) == 0:
        return Slot("empty", value.dtype.name, ("N", *value.shape[1:]), None)
    name = next(names)
    shape = next(each.shape for each in network.inputs if each.name == name)
    return Slot("tensor", value.dtype.name, shape, name)


def write(path: Path, manifest: Manifest, members: Mapping[str, tuple[Role, bytes]]) -> Path:
    """Write the file as FORMAT lays it out; golden members stand in the order of their names."""
    order = list(MEMBER_OF_ROLE)
    rows = sorted(members.items(), key=lambda item: (order.index(item[1][0]), item[0]))
    described = tuple(
        Member(
            name, len(data), zlib.crc32(data), hashlib.sha256(data).digest(), role,
            WEIGHTS_ALIGN if role == "weights" else MEMBER_ALIGN,
        )
        for name, (role, data) in rows
    )  # fmt: skip
    encoded = encode_manifest(manifest_to_plain(replace(manifest, members=described)))
    layout = lay_out_bundle(encoded, described)
    contents = [head_bytes(encoded), encoded, *(data for _, (_, data) in rows)]
    parts = [part for place, data in zip(layout.places, contents, strict=True) for part in (place.header, data)]
    path.write_bytes(b"".join(parts) + layout.tail)
    return path


def field(path: str, dtype: str = "float32", shape: tuple[int | str, ...] = (), **more: Any) -> FieldContract:
    """A field that training saw in list form, as arrays or, without axes, as numpy scalars."""
    settings = {"kind": "array", "form": "list", "element": "array" if shape else "scalar", "read": True}
    return FieldContract(path=path, dtype=dtype, shape=shape, **(settings | more))


FEATURES_TEXT = """
def to_tensor(data_dict):
    import numpy as np
    return np.asarray(data_dict["data"]["features"])
"""

DOUBLING_TEXT = """
def to_tensor(data_dict):
    import numpy as np
    return np.asarray(data_dict["data"]["features"]) * np.float32(2)
"""

SOURCES_TEXT = """
def to_tensor(data_dict):
    import numpy as np
    rows = data_dict["data"]
    for name in rows["survey"]:
        if name == "unknown":
            raise ValueError("no zero point for survey unknown")
    faint = [curve.mean(axis=0) for curve in rows["curve"]]
    features = [np.concatenate([flux, [mag], mean]) for flux, mag, mean in zip(rows["flux"], rows["mag"], faint)]
    return np.asarray(features, dtype=np.float32), rows.get("label")
"""


def sources_contract(batch: str = "independent") -> InputContract:
    return InputContract(
        (
            field("data/flux", shape=(3,), unit="nJy", least=0.0, greatest=10.0),
            field("data/mag", least=15.0, greatest=25.0),
            field("data/curve", "float64", ("curve.1", 2), kind="ragged"),
            field("data/survey", "str", kind="string", element="python"),
            field("data/dec", "float64", read=False),
        ),
        batch,  # type: ignore[arg-type]
    )


def sources(rows: int, seed: int = 0) -> dict[str, Any]:
    """Rows of a survey: arrays, numpy scalars, ragged light curves and text."""
    random = np.random.default_rng(seed)
    return {
        "data": {
            "flux": list(random.uniform(0, 10, (rows, 3)).astype("f4")),
            "mag": list(random.uniform(15, 25, rows).astype("f4")),
            "curve": [random.normal(size=(2 + row % 4, 2)) for row in range(rows)],
            "survey": ["ztf" if row % 2 else "lsst" for row in range(rows)],
        },
        "object_id": [f"source-{row}" for row in range(rows)],
    }


def features(rows: int, seed: int = 0) -> dict[str, Any]:
    return {"data": {"features": list(np.random.default_rng(seed).normal(size=(rows, 10)).astype("f4"))}}
