"""Sorting along an axis, stable, with NaN last as numpy has it; and finding places in sorted values."""

from __future__ import annotations

import numpy as np

from hyrax_pack.lowering.graph.building import Graph, NoCounterpart, Value
from hyrax_pack.lowering.operations.arithmetic import binary, choose, compare, is_nan, logic, negate, scalar
from hyrax_pack.lowering.operations.casting import BOOL, FLOAT32, INT32, INT64, UINT64, carrier, cast, plain_cast
from hyrax_pack.lowering.operations.indexing import counting, gather_along
from hyrax_pack.lowering.operations.reducing import count_true, dimension
from hyrax_pack.lowering.operations.shaping import expand_dims


def sort(graph: Graph, value: Value, axis: int) -> Value:
    """Return the values in ascending order, NaN last."""
    carried = plain_cast(graph, value, _sortable(value))
    if value.dtype.kind != "f":
        return cast(graph, _ascending(graph, carried, axis)[0], value.dtype)
    bad = is_nan(graph, carried)
    values, _ = _ascending(graph, choose(graph, bad, scalar(graph, np.inf, carried), carried), axis)
    size = dimension(graph, carried, axis)
    good = binary(graph, "Sub", size, count_true(graph, bad, [axis], True))
    place = expand_dims(graph, counting(graph, size), list(range(1, value.rank - axis)))
    late = compare(graph, "GreaterOrEqual", place, good)
    return plain_cast(graph, choose(graph, late, scalar(graph, np.nan, values), values), value.dtype)


def argsort(graph: Graph, value: Value, axis: int) -> Value:
    """Return the positions that sort the values: equal values keep their order, NaN comes last."""
    carried = plain_cast(graph, value, _sortable(value))
    if value.dtype.kind != "f":
        return _ascending(graph, carried, axis)[1]
    bad = is_nan(graph, carried)
    _, order = _ascending(graph, choose(graph, bad, scalar(graph, np.inf, carried), carried), axis)
    # NaN among infinities: sorted once more by whether it is NaN, which keeps the order of all else
    _, last = _ascending(graph, gather_along(graph, plain_cast(graph, bad, FLOAT32), order, axis), axis)
    return gather_along(graph, order, last, axis)


def place_in_sorted(graph: Graph, table: Value, needles: Value, *, right: bool) -> Value:
    """Return how many entries of an ascending 1-D table are below (or, from the right, not above) each needle.

    A binary search, unrolled: as many steps as the table's size has bits. NaN is above everything.
    """
    size = table.shape[0]
    if not isinstance(size, int):
        raise NoCounterpart("a table whose size is known only when the graph runs")
    low = graph.constant(np.zeros((1,) * needles.rank, np.int64))
    high = graph.constant(np.full((1,) * needles.rank, size, np.int64))
    for _ in range(size.bit_length()):
        middle = binary(graph, "Div", binary(graph, "Add", low, high), scalar(graph, 2, low))
        held = binary(graph, "Min", middle, graph.constant(np.int64(size - 1)))
        entry = graph.one("Gather", [table, held], table.dtype, held.shape, axis=0)
        beyond = is_before(graph, entry, needles) if not right else negate(graph, is_before(graph, needles, entry))
        beyond = logic(graph, "And", beyond, compare(graph, "Less", low, high))
        after = binary(graph, "Add", middle, scalar(graph, 1, middle))
        low, high = choose(graph, beyond, after, low), choose(graph, beyond, high, middle)
    return low


def is_before(graph: Graph, left: Value, right: Value) -> Value:
    """Whether a value sorts before another; NaN sorts after all numbers."""
    less = compare(graph, "Less", left, right)
    if left.dtype.kind != "f":
        return less
    numbers_first = logic(graph, "And", is_nan(graph, right), negate(graph, is_nan(graph, left)))
    return logic(graph, "Or", less, numbers_first)


def _ascending(graph: Graph, value: Value, axis: int) -> tuple[Value, Value]:
    """Sort along an axis; of equal values the one that stood first comes first."""
    size = value.shape[axis]
    if isinstance(size, int):
        count = graph.ints([size])
    else:
        count = graph.one("Shape", [value], INT64, (1,), start=axis, end=axis + 1)
    values, order = graph.emit(
        "TopK",
        [value, count],
        [value.dtype, INT64],
        [value.shape, value.shape],
        axis=axis,
        largest=0,
        sorted=1,
    )
    return values, order


def _sortable(value: Value) -> np.dtype[np.generic]:
    if value.dtype == BOOL:
        return INT32
    if value.dtype == UINT64:
        raise NoCounterpart("uint64 values have no order in every runtime: convert to int64 or float64 first")
    return carrier(value.dtype)
