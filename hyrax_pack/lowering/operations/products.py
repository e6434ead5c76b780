"""Products of matrices and sums over products."""

from __future__ import annotations

from collections.abc import Sequence

from hyrax_pack.lowering.graph.building import Graph, NoCounterpart, Shape, Value, broadcast_shape
from hyrax_pack.lowering.operations.casting import FLOAT32, FLOAT64, INT32, INT64, carrier, plain_cast
from hyrax_pack.lowering.operations.shaping import expand_dims, squeeze

_MULTIPLIED = frozenset({FLOAT32, FLOAT64, INT32, INT64})


def matmul(graph: Graph, left: Value, right: Value) -> Value:
    """Return numpy's `left @ right` for values of one dtype."""
    via = carrier(left.dtype)
    if via not in _MULTIPLIED:
        raise NoCounterpart(f"matrix products of {left.dtype} are not in every runtime")
    a, b = plain_cast(graph, left, via), plain_cast(graph, right, via)
    dropped: list[int] = []
    if a.rank == 1:
        a = expand_dims(graph, a, [0])
        dropped.append(-2)
    if b.rank == 1:
        b = expand_dims(graph, b, [1])
        dropped.append(-1)
    shape = (*broadcast_shape([a.shape[:-2], b.shape[:-2]]), a.shape[-2], b.shape[-1])
    made = graph.one("MatMul", [a, b], via, shape)
    made = squeeze(graph, made, [axis + len(shape) for axis in dropped])
    return plain_cast(graph, made, left.dtype)


def einsum(graph: Graph, equation: str, values: Sequence[Value], shape: Shape) -> Value:
    """Return the sum over products that an equation with an explicit result names, for values of one dtype."""
    dtype = values[0].dtype
    via = carrier(dtype)
    if via not in _MULTIPLIED:
        raise NoCounterpart(f"sums over products of {dtype} are not in every runtime")
    carried = [plain_cast(graph, value, via) for value in values]
    return plain_cast(graph, graph.one("Einsum", carried, via, shape, equation=equation), dtype)
