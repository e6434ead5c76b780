"""Keys of subscripts: what `x[key]` is made of, axis by axis, and the keys that need no data to be understood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.lowering.graph.building import Graph, Shape, Value
from hyrax_pack.lowering.operations.indexing import replace_positions, replace_range, reversed_axis, take_between
from hyrax_pack.lowering.operations.reducing import dimension
from hyrax_pack.lowering.operations.shaping import broadcast, expand_dims, squeeze, take_positions, take_range
from hyrax_pack.lowering.tracing.arrays import Traced
from hyrax_pack.lowering.tracing.numbers import Position, Size, TracedNumber
from hyrax_pack.lowering.tracing.rows import Rows

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

FULL = slice(None)


def parse_key(trace: Trace, key: Any, rank: int) -> list[Any]:
    """Return one item per axis, and None for each new one: int, slice, ndarray (known), or something traced."""
    items = [_parse_item(trace, item) for item in (key if isinstance(key, tuple) else (key,))]
    used = sum(_axes_used(item) for item in items if item is not Ellipsis)
    gap = [FULL] * (rank - used)
    dots = [at for at, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1 or used > rank:
        raise IndexError(f"too many indices: the array has {rank} dimensions")
    at = dots[0] if dots else len(items)
    return [*items[:at], *gap, *items[at + 1 :]]


def is_basic(items: Sequence[Any]) -> bool:
    """Whether the key needs no list of positions and no condition: then the result is a view."""
    return all(item is None or isinstance(item, int | slice) for item in items)


def is_full(item: Any) -> bool:
    """Whether the item takes a whole axis."""
    return isinstance(item, slice) and item == FULL


def read_basic(trace: Trace, value: Value, items: Sequence[Any]) -> Value:
    """Return `value[items]` for a basic key."""
    graph = trace.graph
    axes = [item for item in items if item is not None]
    for axis in reversed(range(len(axes))):
        item = axes[axis]
        if isinstance(item, int):
            dim = value.shape[axis]
            value = take_positions(graph, value, axis, item % dim if isinstance(dim, int) else item)
        else:
            value = _take_slice(trace, value, axis, item)
    kept = [item for item in items if item is None or isinstance(item, slice)]
    return expand_dims(graph, value, [at for at, item in enumerate(kept) if item is None])


def write_basic(trace: Trace, base: Value, items: Sequence[Any], new: Value) -> Value:
    """Return `base` after `base[items] = new` for a basic key."""
    graph = trace.graph
    new = spread(trace, new, base, read_basic(trace, base, items).shape, items)
    kept = [item for item in items if item is None or isinstance(item, slice)]
    new = squeeze(graph, new, [at for at, item in enumerate(kept) if item is None])
    axes = [item for item in items if item is not None]
    new = expand_dims(graph, new, [axis for axis, item in enumerate(axes) if isinstance(item, int)])
    return _put(graph, base, _restrictions(trace, base, axes), new)


def spread(trace: Trace, new: Value, base: Value, shape: Shape, items: Sequence[Any]) -> Value:
    """Broadcast what is written to the shape that is written to; unknown dimensions are those of the base."""
    graph = trace.graph
    while new.rank > len(shape):  # numpy allows leading ones
        new = squeeze(graph, new, [0])
    if new.shape == shape and (None not in shape or new.rank == base.rank):
        return new
    sizes: list[Value | None] = []
    axis = 0
    for item in items:
        if item is None:
            sizes.append(None)
            continue
        if isinstance(item, slice):
            sizes.append(None if isinstance(base.shape[axis], int) else _written_size(graph, base, axis, item))
        axis += 1
    return broadcast(graph, new, shape, sizes)


def is_counter(trace: Trace, item: Any) -> bool:
    """Whether an array is 0, 1, 2, ... up to the batch, perhaps as a column."""
    if not isinstance(item, Traced) or item.is_known:
        return False
    value = item.value
    while value.node is not None and value.node.op in ("Unsqueeze", "Reshape"):
        source = value.node.inputs[0]
        if source is None:
            return False
        value = source
    return value.node is not None and value.node.op == "Range" and value.node.inputs[1] is trace.graph.batch


def _parse_item(trace: Trace, item: Any) -> Any:
    if isinstance(item, Position):
        return item
    if item is None or item is Ellipsis or (isinstance(item, int) and not isinstance(item, bool)):
        return item
    if isinstance(item, np.integer):
        return int(item)
    if isinstance(item, slice):
        return _parse_slice(trace, item)
    if isinstance(item, Size):
        trace.refuse(f"{item._words()} is used as an index", hint="count from the end: x[-1]")
    if isinstance(item, TracedNumber):
        return trace.array_of(item)
    if isinstance(item, Rows):
        return item.stack
    if isinstance(item, Traced):
        return np.asarray(item.shadows[0]) if item.is_known else item
    if isinstance(item, list | tuple) and trace.holds_traced(item):
        return trace.array_of(item)
    array = np.asarray(item)
    return array if array.size else array.astype(np.int64)


def _parse_slice(trace: Trace, item: slice) -> slice:
    bounds = []
    for bound in (item.start, item.stop, item.step):
        if isinstance(bound, Traced) and bound.is_known:
            bound = int(bound)
        if isinstance(bound, np.integer):
            bound = int(bound)
        if not (bound is None or isinstance(bound, int | Size)):
            trace.refuse(
                "how much is cut out depends on a value of the data", hint="cut fixed ranges, and mask with np.where"
            )
        bounds.append(bound)
    return slice(*bounds)


def _axes_used(item: Any) -> int:
    if item is None:
        return 0
    if isinstance(item, Position):
        return 1
    dtype = getattr(item, "dtype", None)
    return int(item.ndim) if dtype == np.bool_ else 1


def _take_slice(trace: Trace, value: Value, axis: int, item: slice) -> Value:
    dim = value.shape[axis]
    bounds = (item.start, item.stop, item.step)
    if item == FULL:
        return value
    if isinstance(dim, int) and not any(isinstance(bound, Size) for bound in bounds):
        start, stop, step = item.indices(dim)
        if not len(range(start, stop, step)):
            trace.refuse("an empty part is cut out")
        return take_range(trace.graph, value, axis, start, stop, step)
    step = 1 if item.step is None else item.step
    if step == -1 and item.start is None and item.stop is None:
        return reversed_axis(trace.graph, value, axis)
    if not isinstance(step, int) or step < 1:
        trace.refuse("a slice backwards over an axis of unknown size", hint="turn the whole axis around with [::-1]")
    first, last = (bound.value if isinstance(bound, Size) else bound for bound in (item.start, item.stop))
    return take_between(trace.graph, value, axis, 0 if first is None else first, last, step)


def _restrictions(trace: Trace, base: Value, axes: Sequence[Any]) -> list[tuple[int, range]]:
    """Return the axes that are written in part, and where."""
    found = []
    for axis, item in enumerate(axes):
        dim = base.shape[axis]
        if is_full(item):
            continue
        if not isinstance(dim, int) or _has_sizes(item):
            which = "the rows" if dim is trace.graph.rows else "an axis whose length depends on the data"
            trace.refuse(
                f"part of {which} is written", hint="write whole columns x[:, i], or use np.where with a condition"
            )
        at = item % dim if isinstance(item, int) else None
        where = range(at, at + 1) if at is not None else range(*item.indices(dim))
        if where != range(dim):
            found.append((axis, where))
    return found


def _has_sizes(item: Any) -> bool:
    return isinstance(item, slice) and any(isinstance(bound, Size) for bound in (item.start, item.stop, item.step))


def _written_size(graph: Graph, base: Value, axis: int, item: slice) -> Value | None:
    return dimension(graph, base, axis) if is_full(item) else None


def _put(graph: Graph, base: Value, restrictions: Sequence[tuple[int, range]], new: Value) -> Value:
    if not restrictions:
        return new
    (axis, where), *others = restrictions
    if others:
        inner = take_positions(graph, base, axis, list(where))
        if where.step == 1:
            inner = take_range(graph, base, axis, where.start, where.stop)
        new = _put(graph, inner, others, new)
    if where.step == 1:
        return replace_range(graph, base, axis, where.start, where.stop, new)
    return replace_positions(graph, base, axis, list(where), new)
