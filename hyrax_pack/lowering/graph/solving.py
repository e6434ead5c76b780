"""Which values of the fields a comparison waits for: a rule on one number shows where that number is tried.

The text's own numbers are not enough: `(ids - 1000) // 2 == 4711` waits for 10422. So a comparison with a constant is
followed back to the fields, turning every step around. What is found is only tried: it need not be right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from hyrax_pack.lowering.graph.building import Graph, Node, Value

Number = int | float

_COMPARING = frozenset({"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"})
_SAME = frozenset(
    {
        "Abs", "Cast", "Ceil", "Clip", "Compress", "CumSum", "Expand", "Floor", "Gather", "GatherElements", "Identity",
        "Max", "Min", "ReduceMax", "ReduceMin", "Reshape", "Round", "Slice", "Squeeze", "Transpose", "Unsqueeze",
    }
)  # fmt: skip
_TURNED: dict[str, Callable[[Number], Number]] = {
    "Neg": lambda number: -number,
    "Sqrt": lambda number: number * number,
    "Exp": math.log,
    "Log": math.exp,
    "BitwiseNot": lambda number: ~int(number),
}
_MOST_STEPS, _MOST_CONSTANTS, MOST_VALUES = 60, 48, 24


def telling_values(graph: Graph) -> dict[str, list[Number]]:
    """Return, by the name of an input, the numbers at which a comparison may turn over, in the order of the text."""
    found: dict[str, dict[Number, None]] = {}
    for node in graph.nodes_since(0):
        for name, number in _of_comparison(node):
            values = found.setdefault(name, {})
            if name in graph.inputs and len(values) < MOST_VALUES:
                values[number] = None
    return {name: list(values) for name, values in found.items() if values}


def _of_comparison(node: Node) -> Iterator[tuple[str, Number]]:
    sides = [value for value in node.inputs if value is not None]
    if node.op not in _COMPARING or len(sides) != 2:
        return
    for asked, other in ((sides[0], sides[1]), (sides[1], sides[0])):
        if other.constant is not None and asked.constant is None:
            for number in np.unique(other.constant)[:_MOST_CONSTANTS].tolist():
                if math.isfinite(number):
                    yield from _solved(asked, number, _MOST_STEPS)


def _solved(value: Value, number: Number, steps: int) -> Iterator[tuple[str, Number]]:
    """Yield inputs and what they would have to be for a value to be a number."""
    if value.node is None:
        if value.constant is None:
            yield value.name, number
        return
    if steps:
        for inner, wanted in _turned_around(value.node, number):
            yield from _solved(inner, wanted, steps - 1)


def _turned_around(node: Node, number: Number) -> Iterator[tuple[Value, Number]]:
    inputs = [value for value in node.inputs if value is not None]
    if node.op in _SAME:
        yield inputs[0], number
    elif node.op == "Where":  # of one that chooses between two ways to divide, the last is the ordinary one
        yield inputs[2], number
    elif node.op in _TURNED:
        try:
            yield inputs[0], _TURNED[node.op](number)
        except (ValueError, OverflowError):
            return
    elif node.op in ("ReduceSum", "ReduceMean"):
        size = 1 if node.op == "ReduceMean" else _share(inputs[0], node)
        yield inputs[0], number / size if isinstance(number, float) else number // size
    elif len(inputs) == 2 and node.op in _OF_TWO:
        yield from _of_two(node.op, inputs[0], inputs[1], number)


def _of_two(op: str, left: Value, right: Value, number: Number) -> Iterator[tuple[Value, Number]]:
    a, b = _constant_of(left), _constant_of(right)
    try:
        if b is not None and a is None:
            yield left, _OF_TWO[op][0](number, b)
        elif a is not None:
            yield right, _OF_TWO[op][1](number, a)
        else:  # a correction of a quotient, or a rest: the first operand carries the value
            yield left, number
    except (ZeroDivisionError, OverflowError):
        return


def _constant_of(value: Value) -> Number | None:
    """Return the one number that a value is; of a divisor that is guarded against zero, the number that is guarded."""
    while value.node is not None and value.node.op in ("Where", "Cast", "Identity", "Expand", "Reshape"):
        inner = value.node.inputs[2 if value.node.op == "Where" else 0]
        if inner is None:
            return None
        value = inner
    if value.constant is None or value.constant.size != 1:
        return None
    number: Number = value.constant.item()
    return number if math.isfinite(number) else None


def _share(whole: Value, node: Node) -> int:
    """Return how many values a sum adds up, as far as that is known."""
    before = math.prod(dim for dim in whole.shape if isinstance(dim, int))
    after = math.prod(dim for dim in node.shapes[0] if isinstance(dim, int))
    return max(1, before // max(1, after))


def _quotient(number: Number, by: Number) -> Number:
    return number / by if isinstance(number, float) or isinstance(by, float) or number % by else number // by


# What the first and what the second operand has to be, by the result and the other operand.
_OF_TWO: dict[str, tuple[Callable[[Number, Number], Number], Callable[[Number, Number], Number]]] = {
    "Add": (lambda made, b: made - b, lambda made, a: made - a),
    "Sub": (lambda made, b: made + b, lambda made, a: a - made),
    "Mul": (_quotient, _quotient),
    "Div": (lambda made, b: made * b, lambda made, a: _quotient(a, made)),
    "Mod": (lambda made, b: made, lambda made, a: a),
    "BitwiseAnd": (lambda made, b: made, lambda made, a: made),
    "BitwiseOr": (lambda made, b: made, lambda made, a: made),
    "BitwiseXor": (lambda made, b: int(made) ^ int(b), lambda made, a: int(made) ^ int(a)),
    "Max": (lambda made, b: made, lambda made, a: made),
    "Min": (lambda made, b: made, lambda made, a: made),
    "Pow": (lambda made, b: float(made) ** (1 / b) if made >= 0 else made, lambda made, a: made),
}
