"""Small bundles built from the runtime's own layout, whole or broken in one chosen place.

`Forge()` holds the parts of a sound bundle: a linear model of four fluxes whose weights stand in weights.bin, its
to_tensor, and two golden rows. A test changes a part and takes `data()`; digests, sizes and headers follow unless the
test breaks them too.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import Any

import msgpack
from hyrax_runtime import container
from hyrax_runtime.container import Entry

from tests.runtime.file import protobuf

SOURCE = """\
def to_tensor(data_dict):
    import numpy as np

    return np.stack(data_dict["data"]["flux"]).astype("float32")
"""
FLUX = ((1.0, 2.0, 3.0, 4.0), (0.5, -1.0, 0.0, 8.0))
WEIGHTS = ((1.0, 0.0, 2.0), (0.0, 1.0, 0.0), (-1.0, 0.0, 1.0), (0.0, 0.5, 0.0))
BIAS = (0.25, 0.5, -1.0)
ROLES = {
    "model.onnx": "graph",
    "to_tensor.py": "to_tensor",
    "to_tensor.onnx": "lowered",
    "fused.onnx": "fused",
    "card.md": "card",
    "license.txt": "license",
    "config.toml": "config",
    "weights.bin": "weights",
}


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def scores(row: tuple[float, ...]) -> list[float]:
    return [sum(x * w[j] for x, w in zip(row, WEIGHTS, strict=True)) + BIAS[j] for j in range(3)]


def linear_model(**settings: Any) -> bytes:
    """scores = x @ weight + bias, the weight and the bias in weights.bin at 0 and 64."""
    content = protobuf.graph(
        [protobuf.node("MatMul", ["x", "weight"], ["product"]), protobuf.node("Add", ["product", "bias"], ["scores"])],
        [protobuf.value_info("x", protobuf.FLOAT, "N", 4)],
        [protobuf.value_info("scores", protobuf.FLOAT, "N", 3)],
        [protobuf.in_weights("weight", (4, 3), 0, 48), protobuf.in_weights("bias", (3,), 64, 12)],
    )
    return protobuf.model(content, **settings)


def lowered_model(**ports: bytes) -> bytes:
    """to_tensor as a graph: the flux as it is."""
    taken = ports.get("takes", protobuf.value_info("data/flux", protobuf.FLOAT, "N", 4))
    made = ports.get("makes", protobuf.value_info("x", protobuf.FLOAT, "N", 4))
    return protobuf.model(protobuf.graph([protobuf.node("Identity", ["data/flux"], ["x"])], [taken], [made]))


def fused_model(**ports: bytes) -> bytes:
    """to_tensor and the linear model as one graph, on the same weights."""
    nodes = [protobuf.node("MatMul", ["data/flux", "weight"], ["p"]), protobuf.node("Add", ["p", "bias"], ["scores"])]
    taken = ports.get("takes", protobuf.value_info("data/flux", protobuf.FLOAT, "N", 4))
    made = ports.get("makes", protobuf.value_info("scores", protobuf.FLOAT, "N", 3))
    tensors = [protobuf.in_weights("weight", (4, 3), 0, 48), protobuf.in_weights("bias", (3,), 64, 12)]
    return protobuf.model(protobuf.graph(nodes, [taken], [made], tensors))


def linear_weights() -> bytes:
    return floats(*(w for row in WEIGHTS for w in row)) + bytes(16) + floats(*BIAS)


def column(path: str, shape: list[int], values: str) -> dict[str, Any]:
    row = {"path": path, "kind": "array", "dtype": "float32", "shape": shape, "values": values}
    return row | {"offsets": None, "shapes": None}


def plain_manifest() -> dict[str, Any]:
    """A sound manifest but for its members."""
    flux = {"path": "data/flux", "kind": "array", "dtype": "float32", "shape": [4], "form": "list", "element": "array"}
    flux |= {"read": True, "least": -1.0, "greatest": 8.0, "nan_share": 0.0, "unit": "nJy", "description": None}
    scores_row = {"name": "scores", "dtype": "float32", "shape": ["N", 3]}
    scores_row |= {"tolerance": 1e-6, "noise_floor": 1e-7, "scale": 8.0, "relative_tolerance": 0.0, "axis": None}
    return {
        "format": {"major": 1, "minor": 0},
        "name": "linear",
        "members": [],
        "contract": {"fields": [flux], "batch": "independent", "id_field": None, "asked_absent": []},
        "preprocessing": {
            "forms": ["replay"],
            "preferred": "replay",
            "returns": "array",
            "slots": [{"kind": "tensor", "dtype": "float32", "shape": ["N", 4], "graph_input": "x"}],
            "mutates_input": False,
            "requirements": [{"module": "numpy", "distribution": "numpy", "version": "2.4.6"}],
            "reason": None,
        },
        "graph": {
            "opset": 21,
            "ir_version": 10,
            "inputs": [{"name": "x", "dtype": "float32", "shape": ["N", 4]}],
        },
        "outputs": [scores_row | {"classes": ["star", "galaxy", "quasar"]}],
        "golden": {
            "rows": 2,
            "input": [column("data/flux", [2, 4], "golden/input-0.bin")],
            "tensors": [column("x", [2, 4], "golden/tensor-0.bin")],
            "outputs": [column("scores", [2, 3], "golden/output-0.bin")],
        },
        "parity": {"batches": [1, 2, 3, 7], "greatest": 0.0},
        "batch_proof": {"sizes": [1, 2, 3, 17, 64]},
        "provenance": {"seed": 7, "git": None, "packages": {"numpy": "2.4.6"}},
        "metrics": {"validate/loss": 0.125},
    }


def plain_contents() -> dict[str, bytes]:
    flux = floats(*(value for row in FLUX for value in row))
    return {
        "model.onnx": linear_model(),
        "to_tensor.py": SOURCE.encode(),
        "golden/input-0.bin": flux,
        "golden/output-0.bin": floats(*(value for row in FLUX for value in scores(row))),
        "golden/tensor-0.bin": flux,
        "weights.bin": linear_weights(),
    }


def row_of(name: str, data: bytes) -> dict[str, Any]:
    return {
        "name": name,
        "size": len(data),
        "crc32": zlib.crc32(data),
        "sha256": hashlib.sha256(data).digest(),
        "role": ROLES.get(name, "golden"),
        "align": 16384 if name == "weights.bin" else 64,
    }


def ordered(value: Any) -> Any:
    """Maps in the order of their keys."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(item) for item in value] if isinstance(value, list) else value


def pack(plain: Any) -> bytes:
    return bytes(msgpack.packb(ordered(plain), use_bin_type=True))


class Forge:
    """The parts of a bundle. `contents` and `plain` may be changed; `manifest` replaces the encoded manifest whole."""

    def __init__(self) -> None:
        self.contents = plain_contents()
        self.plain = plain_manifest()
        self.plain["members"] = self.rows()

    def rows(self) -> list[dict[str, Any]]:
        return [row_of(name, data) for name, data in self.contents.items()]

    def put(self, name: str, data: bytes) -> Forge:
        """Change or add one member, its row included."""
        self.contents[name] = data
        order = list(dict.fromkeys(ROLES.values()))
        order.insert(4, "golden")
        names = sorted(self.contents, key=lambda one: (order.index(ROLES.get(one, "golden")), one))
        self.contents = {one: self.contents[one] for one in names}
        self.plain["members"] = self.rows()
        return self

    def free_of_code(self) -> Forge:
        """Lowered and fused in place of the text."""
        self.put("to_tensor.onnx", lowered_model()).put("fused.onnx", fused_model()).remove("to_tensor.py")
        self.plain["preprocessing"] |= {"forms": ["lowered"], "preferred": "lowered"}
        return self

    def remove(self, name: str) -> Forge:
        del self.contents[name]
        self.plain["members"] = self.rows()
        return self

    def manifest(self) -> bytes:
        return pack(self.plain)

    def entries(self, manifest: bytes) -> list[Entry]:
        rows = [Entry(n, len(d), zlib.crc32(d), 16384 if n == "weights.bin" else 64) for n, d in self.contents.items()]
        return [*container.first_entries(manifest), *rows]

    def data(self, manifest: bytes | None = None) -> bytes:
        """The file; with another manifest where one is given."""
        packed = self.manifest() if manifest is None else manifest
        layout = container.lay_out(self.entries(packed))
        contents = [container.head_bytes(packed), packed, *self.contents.values()]
        return b"".join(p.header + c for p, c in zip(layout.places, contents, strict=True)) + layout.tail
