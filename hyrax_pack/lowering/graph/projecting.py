"""From values of a whole batch to those of one row: which part of a graph a single row needs.

A loop over the rows meets values of the batch (`x / 255`) one row at a time. A row is followed back through every
operation that treats all rows alike, down to the row of a field. What mixes rows has no rule here and stays visible as
an operation that no model may hold: so rows that touch one another show in the graph, whatever the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from hyrax_pack.lowering.graph.building import Graph, NoCounterpart, Node, Value, fixed_dims
from hyrax_pack.lowering.graph.rows import PUT, STACK, bare_row, without_axis
from hyrax_pack.lowering.graph.vectorising import ELEMENTWISE
from hyrax_pack.lowering.operations.shaping import broadcast, expand_dims, join, reshape, squeeze, transpose


class _Mixed(Exception):  # noqa: N818 - the row stays an operation of its own then
    """The operation does not treat the rows alike."""


def row_of(graph: Graph, value: Value, axis: int, row: int) -> Value:
    """Return one row of a value whose axis `axis` is the batch."""
    try:
        return _row_of(graph, value, axis, row)
    except (_Mixed, NoCounterpart):
        return bare_row(graph, value, axis, row)


def _row_of(graph: Graph, value: Value, axis: int, row: int) -> Value:
    key = (value.name, axis, row)
    if key not in graph.rows_made:
        graph.rows_made[key] = _made_row(graph, value, axis, row)
    return graph.rows_made[key]


def _made_row(graph: Graph, value: Value, axis: int, row: int) -> Value:
    node = value.node
    if node is None:
        return bare_row(graph, value, axis, row)
    projection = _Projection(graph, node, axis, row, node.outputs.index(value.name))
    if node.op in ELEMENTWISE:
        return projection.elementwise()
    rule = _RULES.get(node.op)
    if rule is None:
        raise _Mixed
    return rule(projection)


class _Projection:
    """One row of what a node makes: `axis` is where the batch stands in it."""

    def __init__(self, graph: Graph, node: Node, axis: int, row: int, place: int) -> None:
        self.graph = graph
        self.node = node
        self.axis = axis
        self.row = row
        self.place = place
        self.inputs = [value for value in node.inputs if value is not None]
        self.shape = node.shapes[place]

    def of(self, value: Value, axis: int) -> Value:
        """Return the row of an operand whose axis `axis` is the batch."""
        if value.shape[axis] is not self.graph.rows:
            raise _Mixed
        return _row_of(self.graph, value, axis, self.row)

    def whole(self, value: Value) -> Value:
        """Return an operand that every row uses as it is."""
        if self.graph.rows in value.shape:
            raise _Mixed
        return value

    def aligned(self, value: Value) -> Value:
        """Return the row of an operand that broadcasts to the result."""
        axis = self.axis - (len(self.shape) - value.rank)
        if axis < 0:
            return self.whole(value)
        if value.shape[axis] != 1:
            return self.of(value, axis)
        if value.constant is not None:
            return self.graph.constant(np.squeeze(value.constant, axis))
        return squeeze(self.graph, self.whole(value), [axis])

    def emit(self, inputs: Sequence[Value | None], **changed: int | str | tuple[int, ...]) -> Value:
        """Add the node itself on rows."""
        shapes = [without_axis(shape, self.axis) for shape in self.node.shapes]
        attributes = {**self.node.attributes, **changed}
        return self.graph.emit(self.node.op, inputs, self.node.dtypes, shapes, **attributes)[self.place]

    def elementwise(self) -> Value:
        """Return the row of an operation that treats every element alike."""
        return self.emit([self.aligned(value) for value in self.inputs])

    def number(self, name: str) -> int:
        """Return an attribute that is an axis, counted from the start."""
        found = self.node.attributes[name]
        if not isinstance(found, int):
            raise _Mixed
        return found % self.inputs[0].rank


def _reduced(p: _Projection) -> Value:
    value, over = p.inputs[0], sorted(axis % p.inputs[0].rank for axis in _numbers(p.inputs[1]))
    own = p.axis if p.node.attributes["keepdims"] else _kept(value.rank, over)[p.axis]
    _refuse_own(own, over)
    return p.emit([p.of(value, own), p.graph.ints([axis - (axis > own) for axis in over])])


def _position(p: _Projection) -> Value:
    over = p.number("axis")
    own = p.axis if p.node.attributes["keepdims"] else _kept(p.inputs[0].rank, [over])[p.axis]
    _refuse_own(own, [over])
    return p.emit([p.of(p.inputs[0], own)], axis=over - (over > own))


def _sorted(p: _Projection) -> Value:
    over = p.number("axis")
    _refuse_own(p.axis, [over])
    return p.emit([p.of(p.inputs[0], p.axis), p.whole(p.inputs[1])], axis=over - (over > p.axis))


def _cumulated(p: _Projection) -> Value:
    over = _numbers(p.inputs[1])[0] % p.inputs[0].rank
    _refuse_own(p.axis, [over])
    return p.emit([p.of(p.inputs[0], p.axis), p.graph.constant(np.int64(over - (over > p.axis)))])


def _transformed(p: _Projection) -> Value:
    over = _numbers(p.inputs[1])[0] % p.inputs[0].rank
    _refuse_own(p.axis, [over])
    return p.emit([p.of(p.inputs[0], p.axis), None, p.graph.constant(np.int64(over - (over > p.axis)))])


def _transposed(p: _Projection) -> Value:
    order = p.node.attributes["perm"]
    if not isinstance(order, tuple):
        raise _Mixed
    own = order[p.axis]
    return transpose(p.graph, p.of(p.inputs[0], own), [at - (at > own) for at in order if at != own])


def _reshaped(p: _Projection) -> Value:
    value = p.inputs[0]
    if p.graph.rows not in value.shape:
        raise _Mixed
    own = value.shape.index(p.graph.rows)
    before, after = fixed_dims(value.shape[:own]), fixed_dims(p.shape[: p.axis])
    if before is None or after is None or math.prod(before) != math.prod(after):
        raise _Mixed
    return reshape(p.graph, p.of(value, own), without_axis(p.shape, p.axis))


def _unsqueezed(p: _Projection) -> Value:
    axes = sorted(axis % len(p.shape) for axis in _numbers(p.inputs[1]))
    own = p.axis - sum(axis < p.axis for axis in axes)
    return expand_dims(p.graph, p.of(p.inputs[0], own), [axis - (axis > p.axis) for axis in axes])


def _squeezed(p: _Projection) -> Value:
    axes = sorted(axis % p.inputs[0].rank for axis in _numbers(p.inputs[1]))
    own = _kept(p.inputs[0].rank, axes)[p.axis]
    return squeeze(p.graph, p.of(p.inputs[0], own), [axis - (axis > own) for axis in axes])


def _expanded(p: _Projection) -> Value:
    return broadcast(p.graph, p.aligned(p.inputs[0]), without_axis(p.shape, p.axis))


def _joined(p: _Projection) -> Value:
    over = p.number("axis")
    _refuse_own(p.axis, [over])
    return join(p.graph, [p.of(value, p.axis) for value in p.inputs], over - (over > p.axis))


def _cut(p: _Projection) -> Value:
    value, starts, ends, axes, steps = p.inputs
    over = [axis % value.rank for axis in _numbers(axes)]
    _refuse_own(p.axis, over)
    moved = p.graph.ints([axis - (axis > p.axis) for axis in over])
    return p.emit([p.of(value, p.axis), *map(p.whole, (starts, ends)), moved, steps])


def _gathered(p: _Projection) -> Value:
    table, index = p.inputs
    over = p.number("axis")
    if over <= p.axis < over + index.rank:
        return p.emit([p.whole(table), p.of(index, p.axis - over)])
    own = p.axis if p.axis < over else p.axis - index.rank + 1
    return p.emit([p.of(table, own), p.whole(index)], axis=over - (over > own))


def _gathered_along(p: _Projection) -> Value:
    over = p.number("axis")
    _refuse_own(p.axis, [over])
    return p.emit([p.of(value, p.axis) for value in p.inputs], axis=over - (over > p.axis))


def _gathered_points(p: _Projection) -> Value:
    table, points = p.inputs
    if p.node.attributes.get("batch_dims", 0):
        if p.axis or p.node.attributes["batch_dims"] != 1:
            raise _Mixed
        return p.emit([p.of(table, 0), p.of(points, 0)], batch_dims=0)
    if p.axis >= points.rank - 1:
        raise _Mixed
    return p.emit([p.whole(table), p.of(points, p.axis)])


def _multiplied(p: _Projection) -> Value:
    left, right = p.inputs
    rank = len(p.shape)
    if p.axis < rank - 2:
        return p.emit([p.aligned(left), p.aligned(right)])
    side, value, other = (0, left, right) if p.axis == rank - 2 else (1, right, left)
    own = value.rank - 2 + side
    line = expand_dims(p.graph, p.of(value, own), [own])
    operands = [line, p.whole(other)] if side == 0 else [p.whole(other), line]
    shape = (*p.shape[: p.axis], 1, *p.shape[p.axis + 1 :])
    made = p.graph.one("MatMul", operands, p.node.dtypes[0], shape)
    return squeeze(p.graph, made, [p.axis])


def _summed_products(p: _Projection) -> Value:
    terms, result = str(p.node.attributes["equation"]).split("->")
    letter = result[p.axis]
    operands = [
        p.of(value, term.index(letter)) if letter in term else p.whole(value)
        for value, term in zip(p.inputs, terms.split(","), strict=True)
    ]
    return p.emit(operands, equation=f"{terms.replace(letter, '')}->{result.replace(letter, '')}")


def _stacked(p: _Projection) -> Value:
    if p.axis:
        raise _Mixed
    return p.inputs[p.row]


def _put(p: _Projection) -> Value:
    base, new = p.inputs
    if p.node.attributes["axis"] != p.axis:
        raise _Mixed
    return new if p.node.attributes["row"] == p.row else p.of(base, p.axis)


def _kept(rank: int, axes: Sequence[int]) -> list[int]:
    return [axis for axis in range(rank) if axis not in axes]


def _refuse_own(own: int, axes: Sequence[int]) -> None:
    if own in axes:
        raise _Mixed


def _numbers(value: Value) -> list[int]:
    if value.constant is None:
        raise _Mixed
    return [int(number) for number in np.ravel(value.constant)]


_RULES: dict[str, Callable[[_Projection], Value]] = {
    "ReduceMax": _reduced,
    "ReduceMin": _reduced,
    "ReduceProd": _reduced,
    "ReduceSum": _reduced,
    "ArgMax": _position,
    "ArgMin": _position,
    "TopK": _sorted,
    "CumSum": _cumulated,
    "DFT": _transformed,
    "Transpose": _transposed,
    "Reshape": _reshaped,
    "Unsqueeze": _unsqueezed,
    "Squeeze": _squeezed,
    "Expand": _expanded,
    "Concat": _joined,
    "Slice": _cut,
    "Gather": _gathered,
    "GatherElements": _gathered_along,
    "GatherND": _gathered_points,
    "MatMul": _multiplied,
    "Einsum": _summed_products,
    STACK: _stacked,
    PUT: _put,
}
