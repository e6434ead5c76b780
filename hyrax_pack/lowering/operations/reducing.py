"""Over one or several axes: sums, products, extremes, truth, positions of extremes, running totals.

onnxruntime's ReduceMax and ReduceMin skip NaN where numpy gives NaN, and its ArgMax does not stop at a NaN; both are
mended here. Sums of the small integers are numpy's wider ones already when they arrive.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyrax_pack.lowering.graph.building import DType, Free, Graph, NoCounterpart, Shape, Value
from hyrax_pack.lowering.operations.arithmetic import binary, choose, is_nan, scalar
from hyrax_pack.lowering.operations.casting import (
    BOOL,
    FLOAT32,
    INT32,
    INT64,
    UINT64,
    carrier,
    cast,
    plain_cast,
)


def reduced_shape(shape: Shape, axes: Sequence[int], keep: bool) -> Shape:
    """Return the shape that is left after the axes are reduced."""
    if keep:
        return tuple(1 if axis in axes else dim for axis, dim in enumerate(shape))
    return tuple(dim for axis, dim in enumerate(shape) if axis not in axes)


def reduce_sum(graph: Graph, value: Value, axes: Sequence[int], keep: bool) -> Value:
    """Add up over the axes in the value's own dtype, wrapping around for integers."""
    if axes and value.dtype in (INT64, UINT64) and not _is_widened(value):
        return reduce_sum_wrapping(graph, value, axes, keep)
    return _reduce(graph, "ReduceSum", value, _summed_as(value.dtype), axes, keep)


def reduce_sum_wrapping(graph: Graph, value: Value, axes: Sequence[int], keep: bool) -> Value:
    """Add up int64 or uint64 of any size: onnxruntime adds them up as doubles, so the halves are added apart."""
    half = graph.constant(np.int64(1 << 32))
    whole = plain_cast(graph, value, INT64)
    low = graph.one("Mod", [whole, half], INT64, value.shape)
    high = binary(graph, "Div", binary(graph, "Sub", whole, low), half)
    lows, highs = (_reduce(graph, "ReduceSum", one, INT64, axes, keep) for one in (low, high))
    return plain_cast(graph, binary(graph, "Add", binary(graph, "Mul", highs, half), lows), value.dtype)


def reduce_product(graph: Graph, value: Value, axes: Sequence[int], keep: bool) -> Value:
    """Multiply floats over the axes; onnxruntime multiplies integers as doubles, so they have no counterpart."""
    if value.dtype.kind != "f":
        raise NoCounterpart("products of integers over an axis: convert to float64 first")
    return _reduce(graph, "ReduceProd", value, _summed_as(value.dtype), axes, keep)


def reduce_extreme(graph: Graph, op: str, value: Value, axes: Sequence[int], keep: bool) -> Value:
    """Return the greatest (`ReduceMax`) or least (`ReduceMin`) over the axes; NaN where there is a NaN."""
    if value.dtype == UINT64:  # as int64, moved down by half of the range, where the order is the same
        half = graph.constant(np.iinfo(np.int64).min, INT64)
        moved = binary(graph, "Add", plain_cast(graph, value, INT64), half)
        return plain_cast(graph, binary(graph, "Add", _reduce(graph, op, moved, INT64, axes, keep), half), UINT64)
    via = INT32 if value.dtype == BOOL else carrier(value.dtype)
    made = _reduce(graph, op, value, via, axes, keep)
    if value.dtype.kind != "f":
        return made
    return choose(graph, reduce_any(graph, is_nan(graph, value), axes, keep), scalar(graph, np.nan, made), made)


def reduce_any(graph: Graph, condition: Value, axes: Sequence[int], keep: bool) -> Value:
    """Whether a condition holds anywhere along the axes."""
    return _reduce(graph, "ReduceMax", condition, FLOAT32, axes, keep)


def reduce_all(graph: Graph, condition: Value, axes: Sequence[int], keep: bool) -> Value:
    """Whether a condition holds everywhere along the axes."""
    return _reduce(graph, "ReduceMin", condition, FLOAT32, axes, keep)


def count_true(graph: Graph, condition: Value, axes: Sequence[int], keep: bool) -> Value:
    """How often a condition holds along the axes, int64."""
    return reduce_sum(graph, cast(graph, condition, INT64), axes, keep)


def position_of_extreme(graph: Graph, op: str, value: Value, axis: int, keep: bool) -> Value:
    """Return where the first greatest (`ArgMax`) or least (`ArgMin`) is; the first NaN counts as both."""
    via = INT32 if value.dtype == BOOL else carrier(value.dtype)
    shape = reduced_shape(value.shape, [axis], keep)
    carried = plain_cast(graph, value, via)
    made = graph.one(op, [carried], INT64, shape, axis=axis, keepdims=int(keep))
    if value.dtype.kind != "f":
        return made
    bad = is_nan(graph, carried)
    first = graph.one("ArgMax", [plain_cast(graph, bad, FLOAT32)], INT64, shape, axis=axis, keepdims=int(keep))
    return choose(graph, reduce_any(graph, bad, [axis], keep), first, made)


def running_sum(graph: Graph, value: Value, axis: int) -> Value:
    """Return the running total along an axis in the value's own dtype."""
    carried = plain_cast(graph, value, _summed_as(value.dtype))
    made = graph.one("CumSum", [carried, graph.constant(np.int64(axis))], carried.dtype, value.shape)
    return plain_cast(graph, made, value.dtype)


def element_count(graph: Graph, value: Value, axes: Sequence[int]) -> Value:
    """Return how many elements are reduced into one, as a scalar int64; a constant where it is known."""
    known = 1
    made: Value | None = None
    for axis in axes:
        dim = value.shape[axis]
        if isinstance(dim, int):
            known *= dim
            continue
        size = dimension(graph, value, axis)
        made = size if made is None else binary(graph, "Mul", made, size)
    fixed = graph.constant(np.int64(known))
    if made is None:
        return fixed
    return made if known == 1 else binary(graph, "Mul", made, fixed)


def dimension(graph: Graph, value: Value, axis: int) -> Value:
    """Return the size of an axis as a scalar int64."""
    dim = value.shape[axis]
    if isinstance(dim, int):
        return graph.constant(np.int64(dim))
    known = graph.size_of(dim) if isinstance(dim, Free) else None
    if known is not None:
        return known
    one = graph.one("Shape", [value], INT64, (1,), start=axis, end=axis + 1)
    return graph.one("Squeeze", [one, graph.ints([0])], INT64, ())


def _reduce(graph: Graph, op: str, value: Value, via: DType, axes: Sequence[int], keep: bool) -> Value:
    if not axes:
        return value
    carried = plain_cast(graph, value, via)
    shape = reduced_shape(value.shape, axes, keep)
    made = graph.one(op, [carried, graph.ints(sorted(axes))], via, shape, keepdims=int(keep))
    if value.dtype == BOOL:  # of nothing the greatest is -inf, the least inf
        return graph.one("Greater", [made, graph.constant(0, via)], BOOL, shape)
    return plain_cast(graph, made, value.dtype)


def _is_widened(value: Value) -> bool:
    """Whether integers were cast from a narrower dtype, or from truth: their sums stay exact as doubles."""
    source = value.node.inputs[0] if value.node is not None and value.node.op == "Cast" else None
    return source is not None and source.dtype.kind in "biu" and source.dtype.itemsize < 8


def _summed_as(dtype: DType) -> DType:
    if dtype == UINT64:
        return INT64
    return INT64 if dtype.kind in "biu" else carrier(dtype)  # onnxruntime's int32 sums saturate; numpy's wrap around
