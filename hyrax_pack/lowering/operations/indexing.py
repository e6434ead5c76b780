"""Reading and replacing parts of a value: slices, lists of positions, positions and conditions from the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.lowering.graph.building import Graph, NoCounterpart, Shape, Value
from hyrax_pack.lowering.operations.arithmetic import binary, choose, compare, scalar
from hyrax_pack.lowering.operations.casting import BOOL, INT64, cast
from hyrax_pack.lowering.operations.reducing import running_sum
from hyrax_pack.lowering.operations.shaping import (
    expand_dims,
    join,
    reshape,
    take_positions,
    take_range,
)


def replace_range(graph: Graph, base: Value, axis: int, start: int, stop: int, new: Value) -> Value:
    """Put a value in place of the positions start..stop of an axis of known size."""
    size = known_size(base, axis)
    pieces = [new]
    if start > 0:
        pieces.insert(0, take_range(graph, base, axis, 0, start))
    if stop < size:
        pieces.append(take_range(graph, base, axis, stop, size))
    return join(graph, pieces, axis)


def replace_positions(graph: Graph, base: Value, axis: int, positions: Sequence[int], new: Value) -> Value:
    """Put the entries of a value in place of positions of an axis; where a position repeats, the last wins."""
    size = known_size(base, axis)
    source = np.arange(size)
    source[list(positions)] = size + np.arange(len(positions))
    if len(set(positions)) == size:
        return take_positions(graph, new, axis, (source - size).tolist())
    return take_positions(graph, join(graph, [base, new], axis), axis, source.tolist())


def gather(graph: Graph, value: Value, indices: Value, axis: int) -> Value:
    """Pick entries along an axis by positions from the data; out of range is an error, negative counts from the end."""
    shape = value.shape[:axis] + indices.shape + value.shape[axis + 1 :]
    return graph.one("Gather", [value, cast(graph, indices, INT64)], value.dtype, shape, axis=axis)


def gather_along(graph: Graph, value: Value, indices: Value, axis: int) -> Value:
    """Pick, in every line along an axis, the entries that the same line of the indices names."""
    return graph.one("GatherElements", [value, cast(graph, indices, INT64)], value.dtype, indices.shape, axis=axis)


def gather_rows(graph: Graph, value: Value, indices: Value) -> Value:
    """Pick from row i of a value the entries that row i of the indices names: `value[arange(n), indices[:, k]]`."""
    tuples = expand_dims(graph, cast(graph, indices, INT64), [indices.rank])
    shape = indices.shape + value.shape[2:]
    return graph.one("GatherND", [value, tuples], value.dtype, shape, batch_dims=1)


def select(graph: Graph, value: Value, condition: Value) -> Value:
    """Keep the entries of the first axis for which a 1-D condition holds; how many is known when the graph runs."""
    shape: Shape = (None, *value.shape[1:])
    return graph.one("Compress", [value, condition], value.dtype, shape, axis=0)


def replace_selected(graph: Graph, base: Value, condition: Value, new: Value) -> Value:
    """Put the entries of a 1-D value in place of those of a 1-D base for which a condition holds, in order."""
    # an entry of any kind at the end: nothing selected must not read from nothing
    padded = join(graph, [new, graph.constant(np.zeros(1, new.dtype))], 0)
    rank = running_sum(graph, cast(graph, condition, INT64), 0)
    source = binary(graph, "Sub", rank, scalar(graph, 1, rank))
    source = choose(graph, condition, source, scalar(graph, 0, source))
    return choose(graph, condition, gather(graph, padded, source, 0), base)


def one_hot(graph: Graph, indices: Value, size: int) -> Value:
    """Return, per index, a row of truth values that is true there; an index out of range is an error."""
    return gather(graph, graph.constant(np.eye(size, dtype=np.bool_)), indices, 0)


def take_between(
    graph: Graph, value: Value, axis: int, start: Value | int, stop: Value | int | None, step: int = 1
) -> Value:
    """Cut a range out of an axis where a bound, or the axis, is known only when the graph runs."""
    if step == 1 and stop is None and isinstance(start, int) and start == 0:
        return value
    end: Value | int = np.iinfo(np.int64).max if stop is None else stop
    bounds = [_as_vector(graph, bound) for bound in (start, end)]
    shape = (*value.shape[:axis], None, *value.shape[axis + 1 :])
    inputs = [value, *bounds, graph.ints([axis]), graph.ints([step])]
    return graph.one("Slice", inputs, value.dtype, shape)


def reversed_axis(graph: Graph, value: Value, axis: int) -> Value:
    """Turn an axis around, whatever its size."""
    least = int(np.iinfo(np.int64).min)
    bounds = [graph.ints([bound]) for bound in (-1, least, axis, -1)]
    return graph.one("Slice", [value, *bounds], value.dtype, value.shape)


def flat_positions(shape: Sequence[int]) -> NDArray[np.int64]:
    """Return the numbers 0, 1, 2, ... in a shape: what indexing them gives, indexing the values gives."""
    return np.arange(int(np.prod(shape)), dtype=np.int64).reshape(tuple(shape))


def flatten_from(graph: Graph, value: Value, axis: int) -> Value:
    """Merge the axes from `axis` on, all of known size, into one."""
    total = int(np.prod([known_size(value, at) for at in range(axis, value.rank)]))
    return reshape(graph, value, (*value.shape[:axis], total))


def counting(graph: Graph, stop: Value) -> Value:
    """Return 0, 1, 2, ... below a scalar int64."""
    if stop.constant is not None:
        return graph.constant(np.arange(int(stop.constant), dtype=np.int64))
    ends = [graph.constant(np.int64(0)), stop, graph.constant(np.int64(1))]
    return graph.one("Range", ends, INT64, (graph.free_of(stop),))


def known_size(value: Value, axis: int) -> int:
    """Return the size of an axis that is a number."""
    size = value.shape[axis]
    if not isinstance(size, int):
        raise NoCounterpart("positions along an axis whose size is known only when the graph runs")
    return size


def wrapped_index(graph: Graph, index: Value, size: Value) -> Value:
    """Return an index that counts from the end where it is negative as one that counts from the start."""
    below = compare(graph, "Less", index, scalar(graph, 0, index))
    return choose(graph, below, binary(graph, "Add", index, size), index)


def true_value(graph: Graph) -> Value:
    """The truth value true."""
    return graph.constant(np.True_, BOOL)


def _as_vector(graph: Graph, bound: Value | int) -> Value:
    if isinstance(bound, int):
        return graph.ints([bound])
    return graph.one("Unsqueeze", [bound, graph.ints([0])], INT64, (1,))
