"""Operators that onnxruntime computes less exactly than torch: where the gate refuses, one of them may be the cause."""

from __future__ import annotations

import onnx

_NORMALISATION = (
    "onnxruntime loses digits where a group has few values, or all of them lie on a high level: normalise in "
    "to_tensor, subtract the level before, or use LayerNorm"
)
_CAUSES = {
    "DFT": "onnxruntime loses digits where the length is no power of two: pad to one (rfft(x, n=512)), or transform in "
    "to_tensor",
    "InstanceNormalization": _NORMALISATION,
    "GroupNormalization": _NORMALISATION,
}


def imprecise_operators(graph: bytes) -> tuple[str, ...]:
    """Name those in a graph, each with what it is imprecise at and the way round it."""
    found = dict.fromkeys(node.op_type for node in onnx.load_from_string(graph).graph.node)
    return tuple(f"The graph holds {name}: {_CAUSES[name]}." for name in found if name in _CAUSES)
