"""What a bundle says of itself: the manifest, as values. Its public form is `schemas/manifest.v1.schema.json`."""

from __future__ import annotations

from typing import Any, Literal

from hyrax_runtime.contract import Dim, InputContract
from hyrax_runtime.frozen import Frozen

FORMAT_MAJOR = 1
FORMAT_MINOR = 0

Role = Literal["graph", "to_tensor", "lowered", "fused", "golden", "card", "license", "config", "weights"]
Figures = float | tuple[float, ...]
# The one name (or, for golden, the one folder) under which each role stands in the file, in this order.
MEMBER_OF_ROLE: dict[Role, str] = {
    "graph": "model.onnx",
    "to_tensor": "to_tensor.py",
    "lowered": "to_tensor.onnx",
    "fused": "fused.onnx",
    "golden": "golden/",
    "card": "card.md",
    "license": "license.txt",
    "config": "config.toml",
    "weights": "weights.bin",
}

OPSETS = range(18, 29)  # of ONNX's own operators
IR_VERSIONS = range(8, 15)
# Every dtype that an array of a bundle may have, with the size of one item in bytes. Closed: `np.dtype` of a text that
# came with a file would accept "O" and structured forms.
ITEM_SIZE: dict[str, int] = {
    "bool": 1,
    "int8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "uint8": 1,
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
    "float16": 2,
    "float32": 4,
    "float64": 8,
    "complex64": 8,
    "complex128": 16,
}


class Member(Frozen):
    """One file inside the bundle; `sha256` is the digest as 32 bytes, `align` that of its first data byte."""

    name: str
    size: int
    crc32: int
    sha256: bytes
    role: Role
    align: int


class Requirement(Frozen):
    """A module that the captured text imports, and the distribution that brought it when it was packed."""

    module: str
    distribution: str | None  # None: the standard library
    version: str | None


class Slot(Frozen):
    """One place of the tuple that `to_tensor` returns.

    `kind` is `tensor` (rows are there), `none` or `empty` (absent at inference, as a label is). `graph_input` names the
    graph input that takes it; None where the slot is absent, or was pruned because it changes no output.
    `shape` begins with "N"; dtype and shape of a `none` slot are "" and ().
    """

    kind: Literal["tensor", "none", "empty"]
    dtype: str
    shape: tuple[Dim, ...]
    graph_input: str | None


class Reason(Frozen):
    """Why `to_tensor` was not lowered: what in which line, and how to write it so that it lowers."""

    text: str
    line: int | None = None
    construct: str | None = None
    hint: str | None = None


class Preprocessing(Frozen):
    """How `to_tensor` travels: as text to replay, lowered into ONNX, or both with the quicker marked."""

    forms: tuple[Literal["replay", "lowered"], ...]
    preferred: Literal["replay", "lowered"]
    returns: Literal["array", "tuple"]
    slots: tuple[Slot, ...]
    mutates_input: bool
    requirements: tuple[Requirement, ...]
    reason: Reason | None = None


class GraphInput(Frozen):
    """One input of model.onnx; `shape` begins with "N"."""

    name: str
    dtype: str
    shape: tuple[Dim, ...]


class Graph(Frozen):
    """The network: model.onnx."""

    opset: int
    ir_version: int
    inputs: tuple[GraphInput, ...]


class Output(Frozen):
    """One output, with the greatest difference from torch that counts as equal.

    That is max(`tolerance`, `relative_tolerance` x the row's magnitude), absolute; 0.0 for integers and bools.
    `tolerance` = max(16 x `noise_floor`, 8 ulp at `scale`). Each of the four is one number for the output, or one for
    each place of `axis`: see `hyrax_runtime.difference.Allowance`.
    """

    name: str
    dtype: str
    shape: tuple[Dim, ...]
    tolerance: Figures
    noise_floor: Figures
    scale: Figures
    classes: tuple[str, ...] | None = None
    relative_tolerance: Figures = 0.0
    axis: int | None = None


class GoldenColumn(Frozen):
    """Where one golden column stands: values in one member, and for rows of differing length offsets in another.

    `path` is a field's path for raw input, a graph input's or output's name otherwise. `shape` is that of the whole
    column, rows first; for `ragged`, `string` and `bytes` it is that of the flat values, bytes in the last two cases.
    `offsets` counts values (int64, rows + 1). `shapes` holds the row shapes of ragged rows of more than one dimension
    (int64, rows x rank).
    """

    path: str
    kind: Literal["array", "ragged", "string", "bytes"]
    dtype: str
    shape: tuple[int, ...]
    values: str
    offsets: str | None = None
    shapes: str | None = None


class Golden(Frozen):
    """Raw input, what to_tensor made of it, and every output, for the same rows."""

    rows: int
    input: tuple[GoldenColumn, ...]
    tensors: tuple[GoldenColumn, ...]
    outputs: tuple[GoldenColumn, ...]


class Manifest(Frozen):
    """The whole manifest.

    `parity`, `batch_proof`, `provenance` and `metrics` are records for people and programs: text keys; values are None,
    bool, int, finite float, str, and lists and maps of those. `extensions` holds the top-level keys that begin with
    `x-`, which every reader lets pass.
    """

    name: str
    members: tuple[Member, ...]
    contract: InputContract
    preprocessing: Preprocessing
    graph: Graph
    outputs: tuple[Output, ...]
    golden: Golden
    parity: dict[str, Any]
    batch_proof: dict[str, Any]
    provenance: dict[str, Any]
    metrics: dict[str, float]
    extensions: dict[str, Any]
