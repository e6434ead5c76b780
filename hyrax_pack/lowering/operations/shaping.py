"""Shapes: reshape, transpose, joining, repeating, broadcasting. Values move, none is computed.

What undoes itself is dropped on the way (a squeeze of an unsqueeze, a reshape of a reshape), which is what loops over
single rows are full of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hyrax_pack.lowering.graph.building import (
    Dim,
    Free,
    Graph,
    NoCounterpart,
    Shape,
    Value,
    broadcast_shape,
    fixed_dims,
    unknown_axes,
)
from hyrax_pack.lowering.operations.casting import INT64
from hyrax_pack.lowering.operations.reducing import dimension


def reshape(graph: Graph, value: Value, shape: Shape, sizes: Sequence[Value | None] = ()) -> Value:
    """Give a value another shape, in C order.

    Of the dimensions that are only known when the graph runs one is worked out by the operation; where there are more,
    `sizes` gives them as scalars (None for one that may be worked out, or that the graph knows the size of).
    """
    if value.node is not None and value.node.op in ("Reshape", "Unsqueeze", "Squeeze"):
        source = value.node.inputs[0]
        if source is not None:
            value = source
    if value.shape == shape and None not in shape:
        return value
    unknown = unknown_axes(shape)
    if len(unknown) <= 1:
        target = graph.ints([dim if isinstance(dim, int) else -1 for dim in shape])
    else:
        given = [sizes[axis] if axis < len(sizes) else None for axis in range(len(shape))]
        given = [size or _size(graph, dim) for size, dim in zip(given, shape, strict=True)]
        if sum(given[axis] is None for axis in unknown) > 1:
            raise NoCounterpart("a shape of which more than one dimension is known only when the graph runs")
        target = shape_vector(graph, [_part(dim, size) for dim, size in zip(shape, given, strict=True)])
    return graph.one("Reshape", [value, target], value.dtype, shape)


def shape_vector(graph: Graph, parts: Sequence[int | Value]) -> Value:
    """Return a shape as 1-D int64: numbers, and scalars that are known only when the graph runs."""
    if all(isinstance(part, int) for part in parts):
        return graph.ints([part for part in parts if isinstance(part, int)])
    pieces = [
        graph.ints([part]) if isinstance(part, int) else graph.one("Unsqueeze", [part, graph.ints([0])], INT64, (1,))
        for part in parts
    ]
    return graph.one("Concat", pieces, INT64, (len(parts),), axis=0)


def expand_dims(graph: Graph, value: Value, axes: Sequence[int]) -> Value:
    """Insert dimensions of one; the axes are those of the result, ascending."""
    if not axes:
        return value
    dims = list(value.shape)
    for axis in axes:
        dims.insert(axis, 1)
    return graph.one("Unsqueeze", [value, graph.ints(axes)], value.dtype, tuple(dims))


def squeeze(graph: Graph, value: Value, axes: Sequence[int]) -> Value:
    """Drop dimensions of one."""
    if not axes:
        return value
    axes = sorted(axes)
    if value.node is not None and value.node.op == "Unsqueeze":
        source, inserted = value.node.inputs
        if source is not None and inserted is not None and _holds(inserted, axes):
            return source
    shape = tuple(dim for axis, dim in enumerate(value.shape) if axis not in axes)
    return graph.one("Squeeze", [value, graph.ints(axes)], value.dtype, shape)


def transpose(graph: Graph, value: Value, order: Sequence[int]) -> Value:
    """Reorder the axes."""
    if value.node is not None and value.node.op == "Transpose":
        source, before = value.node.inputs[0], value.node.attributes["perm"]
        if source is not None and isinstance(before, tuple):
            value, order = source, [before[axis] for axis in order]
    if list(order) == list(range(value.rank)):
        return value
    shape = tuple(value.shape[axis] for axis in order)
    return graph.one("Transpose", [value], value.dtype, shape, perm=tuple(order))


def join(graph: Graph, values: Sequence[Value], axis: int) -> Value:
    """Join values of one dtype along an axis; what was joined along it before is joined in one."""
    pieces: list[Value] = []
    for value in values:
        pieces.extend(joined_pieces(value, axis) or [value])
    pieces = [piece for piece in pieces if piece.shape[axis] != 0] or pieces[:1]
    if len(pieces) == 1:
        return pieces[0]
    along = fixed_dims(tuple(piece.shape[axis] for piece in pieces))
    total = None if along is None else sum(along)
    others = [_most_known([piece.shape[at] for piece in pieces]) for at in range(pieces[0].rank)]
    shape = tuple(total if at == axis else dim for at, dim in enumerate(others))
    return graph.one("Concat", pieces, pieces[0].dtype, shape, axis=axis)


def joined_pieces(value: Value, axis: int) -> list[Value] | None:
    """Return what a value was joined from along an axis; None where it was not."""
    if value.node is None or value.node.op != "Concat" or value.node.attributes["axis"] != axis:
        return None
    return [piece for piece in value.node.inputs if piece is not None]


def stack(graph: Graph, values: Sequence[Value], axis: int) -> Value:
    """Join values of one dtype and shape along a new axis."""
    return join(graph, [expand_dims(graph, value, [axis]) for value in values], axis)


def broadcast(graph: Graph, value: Value, shape: Shape, sizes: Sequence[Value | None] = ()) -> Value:
    """Repeat a value to a shape; `sizes` gives the dimensions that are no numbers there, as scalars."""
    if value.shape == shape and None not in shape:
        return value
    parts: list[int | Value] = []
    for axis, dim in enumerate(shape):
        if isinstance(dim, int):
            parts.append(dim)
            continue
        size = (sizes[axis] if sizes else None) or _size(graph, dim)
        if size is None:
            raise NoCounterpart("a shape that is known only when the graph runs")
        parts.append(size)
    return graph.one("Expand", [value, shape_vector(graph, parts)], value.dtype, shape)


def broadcast_like(graph: Graph, value: Value, other: Value) -> Value:
    """Repeat a value to the shape of another."""
    shape = broadcast_shape([value.shape, other.shape])
    if value.shape == shape and None not in shape:
        return value
    sizes = [None if isinstance(dim, int) else dimension(graph, other, axis) for axis, dim in enumerate(shape)]
    return broadcast(graph, value, shape, sizes)


def take_positions(graph: Graph, value: Value, axis: int, positions: Sequence[int] | int) -> Value:
    """Pick positions along an axis that are known while the graph is built; one number drops the axis."""
    if isinstance(positions, int):
        return _take_one(graph, value, axis, positions)
    size = value.shape[axis]
    if isinstance(size, int) and list(positions) == list(range(size)):
        return value
    shape = (*value.shape[:axis], len(positions), *value.shape[axis + 1 :])
    return graph.one("Gather", [value, graph.ints(positions)], value.dtype, shape, axis=axis)


def take_range(graph: Graph, value: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
    """Cut a range out of an axis of known size: 0 <= start, and for a negative step `stop` may be -1."""
    size = value.shape[axis]
    if isinstance(size, int) and step == 1 and start == 0 and stop >= size:
        return value
    length = len(range(start, stop, step))
    pieces = joined_pieces(value, axis) if step == 1 else None
    if pieces is not None:
        whole = _pieces_between(pieces, axis, start, stop)
        if whole is not None:
            return join(graph, whole, axis)
    shape = (*value.shape[:axis], length, *value.shape[axis + 1 :])
    end = np.iinfo(np.int64).min if stop < 0 else stop
    bounds = [graph.ints([bound]) for bound in (start, end, axis, step)]
    return graph.one("Slice", [value, *bounds], value.dtype, shape)


def element_total(shape: Shape) -> int | None:
    """The number of elements, or None where a dimension is not known."""
    dims = fixed_dims(shape)
    return None if dims is None else math.prod(dims)


def _take_one(graph: Graph, value: Value, axis: int, position: int) -> Value:
    pieces = joined_pieces(value, axis)
    if pieces is not None:
        whole = _pieces_between(pieces, axis, position, position + 1)
        if whole is not None and len(whole) == 1:
            value, position = whole[0], 0
    if position == 0 and value.shape[axis] == 1:
        return squeeze(graph, value, [axis])
    shape = value.shape[:axis] + value.shape[axis + 1 :]
    return graph.one("Gather", [value, graph.constant(np.int64(position))], value.dtype, shape, axis=axis)


def _pieces_between(pieces: Sequence[Value], axis: int, start: int, stop: int) -> list[Value] | None:
    """Return the pieces that make up a range, where the range begins and ends between pieces."""
    chosen: list[Value] = []
    at = 0
    for piece in pieces:
        length = piece.shape[axis]
        if not isinstance(length, int):
            return None
        if start <= at and at + length <= stop:
            chosen.append(piece)
        elif at < stop and start < at + length:
            return None
        at += length
    return chosen or None


def _holds(value: Value, numbers: Sequence[int]) -> bool:
    return value.constant is not None and value.constant.tolist() == list(numbers)


def _part(dim: Dim, size: Value | None) -> int | Value:
    if isinstance(dim, int):
        return dim
    return -1 if size is None else size


def _size(graph: Graph, dim: Dim) -> Value | None:
    return graph.size_of(dim) if isinstance(dim, Free) else None


def _most_known(dims: Sequence[Dim]) -> Dim:
    """Return the dimension that all share, as the one knows it who knows it best."""
    fixed = [dim for dim in dims if isinstance(dim, int)]
    free = [dim for dim in dims if isinstance(dim, Free)]
    return fixed[0] if fixed else free[0] if free else None
