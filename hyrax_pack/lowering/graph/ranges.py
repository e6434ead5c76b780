"""What the whole numbers of a graph can be: from their dtypes, from clips, remainders and masks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hyrax_pack.lowering.graph.building import DType, Graph, Node, Value

Range = tuple[int, int]

_MOVING = frozenset(
    {
        "Compress", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity", "Reshape", "Slice",
        "Squeeze", "Transpose", "Unsqueeze",
    }
)  # fmt: skip
_COUNTING: dict[str, Callable[[int, int], int]] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Min": min,
    "Max": max,
}


def whole_range(graph: Graph, value: Value) -> Range:
    """Return the least and the greatest that a value of whole numbers (or of truths) can be.

    Examples
    --------
    >>> from hyrax_pack.lowering.graph.building import Graph
    >>> graph = Graph()
    >>> whole_range(graph, graph.input("x", np.dtype(np.uint8), (3,)))
    (0, 255)
    """
    if value.name in graph.ranges:
        return graph.ranges[value.name]
    limits = _limits(value.dtype)
    if value.constant is not None and value.constant.size:
        return int(value.constant.min()), int(value.constant.max())
    made = None if value.node is None or value.dtype.kind not in "iub" else _made_by(graph, value.node)
    if made is None or made[0] < limits[0] or made[1] > limits[1]:
        return limits
    return made


def _limits(dtype: DType) -> Range:
    if dtype.kind not in "iu":
        return (0, 1) if dtype.kind == "b" else (-(1 << 70), 1 << 70)
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _made_by(graph: Graph, node: Node) -> Range | None:
    """Return what an operation can make of what comes in; None where that is not known, or it may wrap around."""
    inputs = [value for value in node.inputs if value is not None]
    if node.op in _MOVING:
        return whole_range(graph, inputs[0])
    if node.op == "Cast":
        return whole_range(graph, inputs[0]) if inputs[0].dtype.kind in "iub" else None
    ranges = [whole_range(graph, value) for value in inputs]
    if node.op in ("Where", "Concat"):
        kept = ranges[1:] if node.op == "Where" else ranges
        return min(low for low, _ in kept), max(high for _, high in kept)
    if node.op == "Clip":
        low, high = (ranges[at][0] if len(ranges) > at else None for at in (1, 2))
        return _clipped(ranges[0], low, high)
    if node.op in _COUNTING and len(ranges) == 2:
        ends = [_COUNTING[node.op](a, b) for a in ranges[0] for b in ranges[1]]
        return min(ends), max(ends)
    if node.op == "BitwiseAnd" and ranges[1][0] >= 0:
        return 0, ranges[1][1]
    return None


def note_division(graph: Graph, left: Value, right: Value, quotient: Value, rest: Value) -> None:
    """Note what quotient and rest, rounded down, of whole numbers can be, where the divisor is known and positive."""
    if right.constant is None or left.dtype.kind not in "iu" or whole_range(graph, right)[0] <= 0:
        return
    (low, high), (least, greatest) = whole_range(graph, left), whole_range(graph, right)
    graph.ranges[rest.name] = (0, min(greatest - 1, high) if low >= 0 else greatest - 1)
    ends = [whole // divisor for whole in (low, high) for divisor in (least, greatest)]
    graph.ranges[quotient.name] = (min(ends), max(ends))


def _clipped(whole: Range, low: int | None, high: int | None) -> Range:
    least, greatest = whole
    if low is not None:
        least, greatest = max(least, low), max(greatest, low)
    if high is not None:
        least, greatest = min(least, high), min(greatest, high)
    return least, greatest
