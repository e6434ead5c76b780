"""Small bundles forged by hand: ONNX messages byte by byte, the file by the runtime's own definition of its bytes."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hyrax_runtime.bundle import lay_out_bundle
from hyrax_runtime.container import MEMBER_ALIGN, WEIGHTS_ALIGN, head_bytes
from hyrax_runtime.contract import FieldContract, InputContract
from hyrax_runtime.contract_check import InputCheck
from hyrax_runtime.golden import encode_column
from hyrax_runtime.manifest import (
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

ONNX_TYPE = {"float32": 1, "int64": 7}


# --- ONNX messages -------------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def message(*fields: tuple[int, int | str | bytes]) -> bytes:
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def port(name: str, dtype: str, shape: Sequence[int | str]) -> bytes:
    dims = [(1, message((1 if isinstance(dim, int) else 2, dim))) for dim in shape]
    tensor = message((1, ONNX_TYPE[dtype]), (2, message(*dims)))
    return message((1, name), (2, message((1, tensor))))


def inline(name: str, values: np.ndarray[Any, Any]) -> bytes:
    dims = [(1, dim) for dim in values.shape]
    return message(*dims, (2, ONNX_TYPE[values.dtype.name]), (8, name), (9, values.tobytes()))


def external(name: str, shape: Sequence[int], offset: int, length: int) -> bytes:
    entries = [("location", "weights.bin"), ("offset", str(offset)), ("length", str(length))]
    pairs = [(13, message((1, key), (2, value))) for key, value in entries]
    return message(*[(1, dim) for dim in shape], (2, 1), (8, name), *pairs, (14, 1))


def node(op: str, inputs: Sequence[str], output: str, **attributes: int) -> bytes:
    settings = [(5, message((1, name), (3, value), (20, 2))) for name, value in attributes.items()]
    return message(*[(1, name) for name in inputs], (2, output), (4, op), *settings)


def model(nodes: Sequence[bytes], inputs: Sequence[bytes], outputs: Sequence[bytes], tensors: Sequence[bytes]) -> bytes:
    graph = message(
        *[(1, each) for each in nodes], (2, "network"), *[(5, each) for each in tensors],
        *[(11, each) for each in inputs], *[(12, each) for each in outputs],
    )  # fmt: skip
    return message((1, 10), (7, graph), (8, message((1, ""), (2, 21))))


# --- networks ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """A graph, its weights, and what the manifest says of both."""

    graph: bytes
    weights: bytes | None
    inputs: tuple[GraphInput, ...]
    outputs: tuple[Output, ...]


def output_of(name: str, dtype: str, shape: tuple[int | str, ...]) -> Output:
    exact = dtype == "int64"
    return Output(name, dtype, shape, 0.0 if exact else 1e-6, 0.0 if exact else 1e-7, 0.0 if exact else 4.0)


def dense(features: int, classes: int = 3, *, in_file: bool = True) -> Network:
    """`scores` (N, classes) float32 = x @ w + b, and `best` (N) int64, its argmax."""
    random = np.random.default_rng(7)
    w = random.normal(size=(features, classes)).astype("f4")
    b = random.normal(size=classes).astype("f4")
    tensors = [external("w", w.shape, 0, w.nbytes) if in_file else inline("w", w), inline("b", b)]
    nodes = [
        node("MatMul", ["x", "w"], "product"),
        node("Add", ["product", "b"], "scores"),
        node("ArgMax", ["scores"], "best", axis=1, keepdims=0),
    ]
    outputs = [port("scores", "float32", ("N", classes)), port("best", "int64", ("N",))]
    return Network(
        model(nodes, [port("x", "float32", ("N", features))], outputs, tensors),
        w.tobytes() if in_file else None,
        (GraphInput("x", "float32", ("N", features)),),
        (output_of("scores", "float32", ("N", classes)), output_of("best", "int64", ("N",))),
    )


def lookup(entries: int) -> Network:
    """`value` (N) float32: row `index` of a table; onnxruntime fails where there is no such row."""
    table = np.arange(entries, dtype="f4") / 2
    graph = model(
        [node("Gather", ["table", "index"], "value")],
        [port("index", "int64", ("N",))],
        [port("value", "float32", ("N",))],
        [inline("table", table)],
    )
    return Network(graph, None, (GraphInput("index", "int64", ("N",)),), (output_of("value", "float32", ("N",)),))


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
) -> Path:
    """Write a sound bundle whose golden vectors are what this machine computes, unless `change` meddles with them."""
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

    def columns(stage: str, values: Mapping[str, Any], kinds: Mapping[str, Any]) -> Any:
        made = []
        for number, (name, rows) in enumerate(values.items()):
            column, files = encode_column(name, kinds.get(name, "array"), rows, member=f"golden/{stage}-{number}")
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
        preprocessing=Preprocessing(("replay",), "replay", returned.returns, slots, False, requirements),
        graph=Graph(21, 10, network.inputs),
        outputs=network.outputs,
        golden=record,
        parity={},
        batch_proof={},
        provenance={"packages": dict(packages or {"numpy": np.__version__, "onnxruntime": VERSION})},
        metrics={},
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
    order = ["graph", "to_tensor", "golden", "weights"]
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


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data-home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache-home"))


@pytest.fixture(scope="session")
def forging() -> SimpleNamespace:
    """What tests need to forge bundles of their own."""
    return SimpleNamespace(
        forge=forge, field=field, dense=dense, lookup=lookup, sources=sources, features=features, message=message,
        sources_contract=sources_contract, SOURCES_TEXT=SOURCES_TEXT, FEATURES_TEXT=FEATURES_TEXT,
    )  # fmt: skip


@pytest.fixture(scope="session")
def forged_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("forged")


@pytest.fixture(scope="session")
def sources_bundle(forged_folder: Path) -> Path:
    """Flux, magnitude, ragged light curve and survey in; (array, None) out of to_tensor; rows independent."""
    return forge(forged_folder / "sources.hyrax", sources_contract(), SOURCES_TEXT, dense(6), sources(8))


@pytest.fixture(scope="session")
def joint_bundle(forged_folder: Path) -> Path:
    """The same, with rows that belong together."""
    return forge(forged_folder / "joint.hyrax", sources_contract("joint"), SOURCES_TEXT, dense(6), sources(8))


@pytest.fixture(scope="session")
def features_bundle(forged_folder: Path) -> Path:
    """Ten features of one field, stacked: the least there is."""
    contract = InputContract((field("data/features", shape=(10,)),), "independent")
    return forge(forged_folder / "features.hyrax", contract, FEATURES_TEXT, dense(10), features(8))


@pytest.fixture(scope="session")
def lookup_bundle(forged_folder: Path) -> Path:
    """A table of ten values, looked up by index."""
    contract = InputContract((field("data/index", "int64"),), "independent")
    text = "def to_tensor(data_dict):\n    import numpy as np\n    return np.asarray(data_dict['data']['index'])\n"
    golden = {"data": {"index": list(np.arange(8))}}
    return forge(forged_folder / "lookup.hyrax", contract, text, lookup(10), golden)


@pytest.fixture(scope="session")
def pin() -> Callable[[Path], str]:
    """The trust statement for a bundle: its id."""
    from hyrax_runtime.bundle import open_bundle

    def of(path: Path) -> str:
        with open_bundle(path) as bundle:
            return bundle.id

    return of
