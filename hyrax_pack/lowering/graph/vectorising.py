"""From the graph of one row to a graph of the batch, node by node.

A row's value of shape (H, W) becomes the batch's of shape (N, H, W); constants stay as they are. So a Python loop over
rows costs what the same function without a loop costs. What has no rule here (lengths that depend on the data) runs in
a Scan instead (see scanning.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hyrax_pack.lowering.graph.building import Graph, Node, Shape, Value, fixed_dims, needed_nodes, unknown_axes
from hyrax_pack.lowering.operations.shaping import broadcast, expand_dims, join, reshape, squeeze, transpose

ELEMENTWISE = frozenset(
    {
        "Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "BitwiseAnd", "BitwiseOr",
        "BitwiseXor", "Cast", "Ceil", "Clip", "Cos", "Cosh", "Div", "Equal", "Exp", "Floor", "Greater",
        "GreaterOrEqual", "Identity", "IsNaN", "Less", "LessOrEqual", "Log", "Max", "Min", "Mod", "Mul", "Neg",
        "Not", "Or", "Pow", "Round", "Sign", "Sin", "Sinh", "Sqrt", "Sub", "Tan", "Tanh", "Where", "Xor",
    }
)  # fmt: skip


class NotVectorised(Exception):  # noqa: N818 - the row runs in a Scan then
    """An operation, or a shape known only when the graph runs, has no counterpart for the whole batch."""


@dataclass(frozen=True)
class _Lifted:
    """A row's value in the batch's graph: with the batch axis first, or, where no row enters into it, as it is."""

    value: Value
    is_batched: bool


def vectorise(outputs: Sequence[Value], inputs: Mapping[str, Value]) -> tuple[Graph, list[Value]]:
    """Return the graph of the batch and its outputs, each with the batch axis first.

    Raises
    ------
    NotVectorised
        Something in the graph of a row has no counterpart.
    """
    lifting = _Lifting()
    for name, value in inputs.items():
        batch = lifting.graph.input(name, value.dtype, (lifting.graph.rows, *value.shape))
        lifting.add(value.name, batch, is_batched=True)
    for node in needed_nodes(outputs, {value.name: name for name, value in inputs.items()}):
        lifting.lift(node)
    return lifting.graph, [lifting.batched(value) for value in outputs]


class _Lifting:
    def __init__(self) -> None:
        self.graph = Graph()
        self._lifted: dict[str, _Lifted] = {}

    def add(self, name: str, value: Value, *, is_batched: bool) -> None:
        """Remember what a row's value has become."""
        self._lifted[name] = _Lifted(value, is_batched)

    def of(self, value: Value) -> _Lifted:
        """Return what a row's value has become."""
        if value.constant is not None:
            return _Lifted(self.graph.constant(value.constant), False)
        if value.name not in self._lifted:
            raise NotVectorised(value.name)
        return self._lifted[value.name]

    def batched(self, value: Value) -> Value:
        """Return a value with the batch axis, repeated for every row where no row enters into it."""
        lifted = self.of(value)
        if lifted.is_batched:
            return lifted.value
        column = expand_dims(self.graph, lifted.value, [0])
        return broadcast(self.graph, column, (self.graph.rows, *value.shape))

    def aligned(self, value: Value, rank: int) -> Value:
        """Return an operand whose rows broadcast with rows of a higher rank."""
        lifted = self.of(value)
        if not lifted.is_batched:
            return lifted.value
        return expand_dims(self.graph, lifted.value, list(range(1, 1 + rank - value.rank)))

    def lift(self, node: Node) -> None:
        """Add the counterpart of a node."""
        inputs = [value for value in node.inputs if value is not None]
        if any(unknown_axes(shape) for shape in (*(value.shape for value in inputs), *node.shapes)):
            raise NotVectorised(node.op)
        if not any(self.of(value).is_batched for value in inputs):
            plain = [self.of(value).value for value in inputs]
            made = self.graph.emit(node.op, plain, node.dtypes, node.shapes, **node.attributes)
        elif node.op in ELEMENTWISE:
            made = (_elementwise(self, node, inputs),)
        elif node.op in _RULES:
            made = _RULES[node.op](self, node, inputs)
        else:
            raise NotVectorised(node.op)
        is_batched = any(self.of(value).is_batched for value in inputs)
        for name, value in zip(node.outputs, made, strict=True):
            self.add(name, value, is_batched=is_batched)


Rule = Callable[[_Lifting, Node, Sequence[Value]], tuple[Value, ...]]


def _same(
    lifting: _Lifting, node: Node, operands: Sequence[Value | None], **changed: int | tuple[int, ...]
) -> tuple[Value, ...]:
    """Add the node itself with other operands, its results having the batch axis first."""
    shapes = [(lifting.graph.rows, *shape) for shape in node.shapes]
    return lifting.graph.emit(node.op, operands, node.dtypes, shapes, **{**node.attributes, **changed})


def _elementwise(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> Value:
    return _same(lifting, node, [lifting.aligned(value, len(node.shapes[0])) for value in inputs])[0]


def _axes(value: Value) -> list[int]:
    if value.constant is None:
        raise NotVectorised("axes")
    return [int(axis) for axis in np.ravel(value.constant)]


def _axis(node: Node, rank: int) -> int:
    axis = node.attributes["axis"]
    if not isinstance(axis, int):
        raise NotVectorised(node.op)
    return axis % rank


def _reduce(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    axes = lifting.graph.ints([axis % inputs[0].rank + 1 for axis in _axes(inputs[1])])
    return _same(lifting, node, [lifting.of(inputs[0]).value, axes])


def _along_axis(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    operands = [lifting.of(value).value for value in inputs]
    return _same(lifting, node, operands, axis=_axis(node, inputs[0].rank) + 1)


def _cumulate(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    axis = lifting.graph.constant(np.int64(_axes(inputs[1])[0] % inputs[0].rank + 1))
    return _same(lifting, node, [lifting.of(inputs[0]).value, axis])


def _fourier(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    axis = lifting.graph.constant(np.int64(_axes(inputs[1])[0] % inputs[0].rank + 1))
    return _same(lifting, node, [lifting.of(inputs[0]).value, None, axis])


def _transpose(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    order = node.attributes["perm"]
    if not isinstance(order, tuple):
        raise NotVectorised(node.op)
    return (transpose(lifting.graph, lifting.of(inputs[0]).value, [0, *(axis + 1 for axis in order)]),)


def _reshape(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    return (reshape(lifting.graph, lifting.of(inputs[0]).value, (lifting.graph.rows, *node.shapes[0])),)


def _unsqueeze(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    rank = len(node.shapes[0])
    axes = sorted(axis % rank + 1 for axis in _axes(inputs[1]))
    return (expand_dims(lifting.graph, lifting.of(inputs[0]).value, axes),)


def _squeeze(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    axes = [axis % inputs[0].rank + 1 for axis in _axes(inputs[1])]
    return (squeeze(lifting.graph, lifting.of(inputs[0]).value, axes),)


def _expand(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    wide = lifting.aligned(inputs[0], len(node.shapes[0]))
    target = lifting.graph.ints([1, *(fixed_dims(node.shapes[0]) or ())])
    return _same(lifting, node, [wide, target])


def _concat(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    axis = _axis(node, inputs[0].rank) + 1
    return (join(lifting.graph, [lifting.batched(value) for value in inputs], axis),)


def _slice(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    axes = lifting.graph.ints([axis % inputs[0].rank + 1 for axis in _axes(inputs[3])])
    starts, ends, steps = (lifting.of(inputs[at]).value for at in (1, 2, 4))
    return _same(lifting, node, [lifting.of(inputs[0]).value, starts, ends, axes, steps])


def _gather(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    graph, (data, index) = lifting.graph, inputs
    axis = _axis(node, data.rank)
    table, places = lifting.of(data), lifting.of(index)
    if not places.is_batched:
        return _same(lifting, node, [table.value, places.value], axis=axis + 1)
    # the picked axis first, so that every row picks from its own (or the one) table; then back to where it was
    front = [axis, *(at for at in range(data.rank) if at != axis)]
    rest = tuple(data.shape[at] for at in front[1:])
    shape: Shape = (graph.rows, *index.shape, *rest)
    if table.is_batched:
        moved = transpose(graph, table.value, [0, *(at + 1 for at in front)])
        tuples = expand_dims(graph, places.value, [index.rank + 1])
        made = graph.one("GatherND", [moved, tuples], data.dtype, shape, batch_dims=1)
    else:
        made = graph.one("Gather", [transpose(graph, table.value, front), places.value], data.dtype, shape, axis=0)
    picked = list(range(1, 1 + index.rank))
    others = list(range(1 + index.rank, 1 + index.rank + len(rest)))
    return (transpose(graph, made, [0, *others[:axis], *picked, *others[axis:]]),)


def _gather_elements(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    operands = [lifting.batched(value) for value in inputs]
    return _same(lifting, node, operands, axis=_axis(node, inputs[0].rank) + 1)


def _gather_points(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    if node.attributes.get("batch_dims", 0):
        raise NotVectorised(node.op)
    table, points = lifting.of(inputs[0]), lifting.batched(inputs[1])
    return _same(lifting, node, [table.value, points], batch_dims=int(table.is_batched))


def _matmul(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    rank = max(value.rank for value in inputs)
    return _same(lifting, node, [lifting.aligned(value, rank) for value in inputs])


def _einsum(lifting: _Lifting, node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    equation = str(node.attributes["equation"])
    batch = next(letter for letter in "zyxwvutsrqponmlkjihgfedcba" if letter not in equation)
    terms, result = equation.split("->")
    lifted = [lifting.of(value) for value in inputs]
    marked = [batch * one.is_batched + term for one, term in zip(lifted, terms.split(","), strict=True)]
    shapes = [(lifting.graph.rows, *shape) for shape in node.shapes]
    wide = f"{','.join(marked)}->{batch}{result}"
    return lifting.graph.emit("Einsum", [one.value for one in lifted], node.dtypes, shapes, equation=wide)


_RULES: dict[str, Rule] = {
    "ReduceMax": _reduce,
    "ReduceMin": _reduce,
    "ReduceProd": _reduce,
    "ReduceSum": _reduce,
    "ArgMax": _along_axis,
    "ArgMin": _along_axis,
    "TopK": _along_axis,
    "CumSum": _cumulate,
    "DFT": _fourier,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Expand": _expand,
    "Concat": _concat,
    "Slice": _slice,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_points,
    "MatMul": _matmul,
    "Einsum": _einsum,
}
