"""Sums in numpy's own order, so that they come out bit for bit.

Where a spread is compared with zero, or a row of one value is divided by its spread, the last bit of a sum decides. So
sums are not left to a runtime's reduction, whose order is its own business: every addition is written out. numpy adds
up along contiguous memory in blocks of up to 128, eight running totals to a block, and joins the blocks in halves
(`pairwise_sum` in numpy/_core/src/umath/loops_utils.h.src); across memory it adds one line after the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.lowering.graph.building import Graph, Shape, Value, fixed_dims
from hyrax_pack.lowering.operations.arithmetic import binary, choose, compare, scalar
from hyrax_pack.lowering.operations.shaping import join, reshape, take_positions, take_range, transpose

_BLOCK, _LANES = 128, 8
_MOST_OPERATIONS = 700


@dataclass(frozen=True)
class Order:
    """In which order numpy adds up over some axes.

    Attributes
    ----------
    kept : tuple of int
        The axes that are not added up.
    outer : tuple of int
        The axes along which line is added to line, from the outermost in.
    inner : tuple of int
        The axes that are taken as one line and added up pairwise, from the outermost in.
    """

    kept: tuple[int, ...]
    outer: tuple[int, ...]
    inner: tuple[int, ...]


def sum_in_order(graph: Graph, value: Value, order: Order, keep: bool, start: Value | None = None) -> Value | None:
    """Add up in an order; None where a size is only known when the graph runs, or it takes too many operations."""
    lines, line = (_sizes(value, axes) for axes in (order.outer, order.inner))
    kept = tuple(value.shape[axis] for axis in order.kept)
    rows = _rows(kept)
    if lines is None or line is None or rows is None or count_operations(line) > _MOST_OPERATIONS:
        return None
    moved = transpose(graph, value, (*order.kept, *order.outer, *order.inner))
    flat = reshape(graph, moved, (*rows, lines, line))
    made = _pairwise(graph, flat, rows, lines, line)
    if start is not None:
        made = _started(graph, made, len(rows), start)
    made = _one_after_the_other(graph, made, len(rows))
    if start is None:
        zero = scalar(graph, 0, made)  # numpy adds to 0, so that no sum is -0
        made = choose(graph, compare(graph, "Equal", made, zero), zero, made)
    dims = [1 if axis in (*order.outer, *order.inner) else dim for axis, dim in enumerate(value.shape)]
    return reshape(graph, made, tuple(dims) if keep else kept)


def add_in_order(array: NDArray[Any], order: Order) -> NDArray[Any]:
    """Do the same to real numbers: what an order is checked with."""
    kept = [array.shape[axis] for axis in order.kept]
    moved = array.transpose((*order.kept, *order.outer, *order.inner))
    lines, line = (math.prod(array.shape[axis] for axis in axes) for axes in (order.outer, order.inner))
    made = _add_pairwise(moved.reshape(*kept, lines, line))
    total = made[..., 0]
    for at in range(1, lines):
        total = total + made[..., at]
    return total


def count_operations(line: int) -> int:
    """Return about how many operations a line of a length takes."""
    if line <= _BLOCK:
        return 12 + 2 * (line % _LANES)
    left, right = _halves(line)
    return count_operations(left) + 6 if left == right else count_operations(left) + count_operations(right) + 3


def _sizes(value: Value, axes: Sequence[int]) -> int | None:
    dims = fixed_dims(tuple(value.shape[axis] for axis in axes))
    return None if dims is None else math.prod(dims)


def _rows(kept: Shape) -> Shape | None:
    """Return the axes that stay, as one; the first apart where its size is only known when the graph runs."""
    free = kept[:1] if kept and not isinstance(kept[0], int) else ()
    rest = fixed_dims(kept[len(free) :])
    if rest is None:
        return None
    total = math.prod(rest)
    return (*free, total) if total > 1 or not free else free


def _pairwise(graph: Graph, value: Value, rows: Shape, lines: int, line: int) -> Value:
    """Add up the last axis of (*rows, lines, line)."""
    if line <= _BLOCK:
        return _block(graph, value, rows, lines, line)
    left, right = _halves(line)
    last = len(rows) + 1
    if left == right:
        halves = reshape(graph, value, (*rows, 2 * lines, left))
        pairs = reshape(graph, _pairwise(graph, halves, rows, 2 * lines, left), (*rows, lines, 2))
        return binary(graph, "Add", *(take_positions(graph, pairs, last, at) for at in (0, 1)))
    parts = (take_range(graph, value, last, 0, left), take_range(graph, value, last, left, line))
    sums = [_pairwise(graph, part, rows, lines, size) for part, size in zip(parts, (left, right), strict=True)]
    return binary(graph, "Add", sums[0], sums[1])


def _block(graph: Graph, value: Value, rows: Shape, lines: int, line: int) -> Value:
    last = len(rows) + 1
    if line < _LANES:
        return _one_after_the_other(graph, value, last)
    even = line - line % _LANES
    lanes = reshape(graph, take_range(graph, value, last, 0, even), (*rows, lines, even // _LANES, _LANES))
    sums = _one_after_the_other(graph, lanes, last)
    for width in (_LANES // 2, _LANES // 4, _LANES // 8):
        pairs = reshape(graph, sums, (*rows, lines, width, 2))
        sums = binary(graph, "Add", *(take_positions(graph, pairs, last + 1, at) for at in (0, 1)))
    total = reshape(graph, sums, (*rows, lines))
    for at in range(even, line):
        total = binary(graph, "Add", total, take_positions(graph, value, last, at))
    return total


def _one_after_the_other(graph: Graph, value: Value, axis: int) -> Value:
    """Add up along an axis of known size, from the first to the last."""
    size = value.shape[axis]
    if not isinstance(size, int) or size == 1:
        return take_positions(graph, value, axis, 0)
    running = graph.one("CumSum", [value, graph.constant(np.int64(axis))], value.dtype, value.shape)
    return take_positions(graph, running, axis, size - 1)


def _started(graph: Graph, lines: Value, axis: int, start: Value) -> Value:
    """Add a number to the first of the lines."""
    first = binary(graph, "Add", start, take_range(graph, lines, axis, 0, 1))
    size = lines.shape[axis]
    if not isinstance(size, int) or size == 1:
        return first
    return join(graph, [first, take_range(graph, lines, axis, 1, size)], axis)


def _halves(line: int) -> tuple[int, int]:
    left = line // 2
    left -= left % _LANES
    return left, line - left


def _add_pairwise(array: NDArray[Any]) -> NDArray[Any]:
    line = array.shape[-1]
    if line > _BLOCK:
        left, _ = _halves(line)
        return np.asarray(_add_pairwise(array[..., :left]) + _add_pairwise(array[..., left:]))
    even = line - line % _LANES if line >= _LANES else 0
    parts = [array[..., at] for at in range(even, line)]
    if even:
        sums = array[..., :even].reshape(*array.shape[:-1], even // _LANES, _LANES)
        lanes = sums[..., 0, :]
        for at in range(1, even // _LANES):
            lanes = lanes + sums[..., at, :]
        while lanes.shape[-1] > 1:
            lanes = lanes[..., ::2] + lanes[..., 1::2]
        parts.insert(0, lanes[..., 0])
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return np.asarray(total)
