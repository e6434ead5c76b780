"""Subscripts: reading `x[key]` and writing `x[key] = new` for every kind of key that means something in a graph."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.lowering.graph.building import Value
from hyrax_pack.lowering.graph.projecting import row_of
from hyrax_pack.lowering.graph.rows import put_row
from hyrax_pack.lowering.operations.arithmetic import choose
from hyrax_pack.lowering.operations.casting import BOOL, INT64, cast
from hyrax_pack.lowering.operations.indexing import (
    flat_positions,
    flatten_from,
    gather,
    gather_rows,
    one_hot,
    replace_positions,
    replace_selected,
    select,
)
from hyrax_pack.lowering.operations.reducing import reduce_any
from hyrax_pack.lowering.operations.shaping import element_total, expand_dims, reshape, squeeze, stack, take_positions
from hyrax_pack.lowering.tracing.arrays import Traced, TracedArray
from hyrax_pack.lowering.tracing.calculating import number_as
from hyrax_pack.lowering.tracing.keys import (
    FULL,
    is_basic,
    is_counter,
    is_full,
    parse_key,
    read_basic,
    spread,
    write_basic,
)
from hyrax_pack.lowering.tracing.numbers import Position, TracedNumber
from hyrax_pack.lowering.tracing.shadows import on_shadows, quietly, shadow_of
from hyrax_pack.lowering.tracing.views import View
from hyrax_pack.lowering.tracing.wrapping import adopt, known_pair, wrap

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

Items = Sequence[Any]


def read(trace: Trace, array: Traced, key: Any) -> Any:
    """Return `array[key]`."""
    items = parse_key(trace, key, array.ndim)
    if any(isinstance(item, Position) for item in items):
        rest = [item for item in items if not isinstance(item, Position)]
        row = _row_view(trace, array, items)
        return row if all(map(is_full, rest)) else read(trace, row, tuple(rest))
    real = on_shadows(operator.getitem, (array, tuple(items)))
    if is_basic(items):
        if isinstance(array, TracedArray):
            view = View(
                array,
                lambda base: read_basic(trace, base, items),
                lambda base, new: write_basic(trace, base, items, new),
            )
            return adopt(trace, real, view, [array])
        return wrap(trace, real, read_basic(trace, array.value, items))
    is_traced = [isinstance(item, Traced) for item in items]
    if array.is_known and not any(is_traced):
        return known_pair(trace, real, [array])
    if not any(is_traced):
        return wrap(trace, real, _read_fixed(trace, array.value, items, real))
    if _is_condition(items) and not any(is_traced[1:]):
        return _read_selected(trace, array, items, real)
    if any(traced and item.dtype.kind not in "iu" for traced, item in zip(is_traced, items, strict=True)):
        trace.refuse("a condition from the data picks along an inner axis", hint="use np.where(condition, x, fill)")
    return wrap(trace, real, _read_traced(trace, array.value, items))


def write(trace: Trace, array: TracedArray, key: Any, new: Any) -> None:
    """Carry out `array[key] = new`, here and in everything that shares the memory."""
    items = parse_key(trace, key, array.ndim)
    if any(isinstance(item, Position) for item in items):
        rest = [item for item in items if not isinstance(item, Position)]
        if array.ndim > 1:
            return write(trace, _row_view(trace, array, items), tuple(rest), new)
        return write(trace, _row_of_numbers(trace, array, items[0]), (slice(None), *rest), new)
    if _is_condition(items) and is_basic(items[1:]) and not all(map(is_full, items[1:])):
        rest = read(trace, array, (*[FULL] * items[0].ndim, *items[1:]))  # x[condition, 0] = new: by way of x[:, 0]
        return write(trace, rest, items[0], new)
    if len(items) > 1 and isinstance(items[0], int) and any(isinstance(item, Traced) for item in items[1:]):
        return write(trace, read(trace, array, items[0]), tuple(items[1:]), new)
    if trace.loop is not None and trace.loop.is_older(array) and not array.is_of_one_row:
        trace.loop.refuse_state("an array")
    if array.root.is_locked:
        trace.refuse("an array is written that shares its memory with another one", hint="write into a .copy()")
    is_constant = array.is_known and not trace.holds_traced(items, new)
    written = None
    if not is_constant:
        array.hold()
        written = _written(trace, array, items, new)
    for at in (0, 1):
        values = shadow_of(new, at)
        quietly(operator.setitem, [array.shadows[at], shadow_of(tuple(items), at), values], {})
    if written is None:
        array.root.writes += 1
    else:
        array.overwrite(written)
    return None


def _row_view(trace: Trace, array: Any, items: Items) -> Any:
    """Return the row of a batch that a position names, as a view."""
    graph, axes = trace.graph, [item for item in items if item is not None]
    axis = next(at for at, item in enumerate(axes) if isinstance(item, Position))
    row = axes[axis].row
    if array.is_known or not isinstance(array, TracedArray) or array.value.shape[axis] is not graph.rows:
        axes[axis].refuse()
    if axis and not is_basic([item for item in items if not isinstance(item, Position)]):
        trace.refuse("a row's position beside a list of positions", hint="pick the row first: x[i]")
    view = View(
        array,
        lambda base: row_of(graph, base, axis, row),
        lambda base, new: put_row(graph, base, axis, row, new),
        is_row=True,
    )
    key = (*[slice(None)] * axis, row)
    return adopt(trace, (array.shadows[0][key], array.shadows[1][key]), view, [array])


def _row_of_numbers(trace: Trace, array: TracedArray, position: Position) -> TracedArray:
    """Return the row of a batch of single numbers as an array of one, which can be written."""
    graph, row = trace.graph, position.row
    if array.is_known or array.value.shape[0] is not graph.rows:
        position.refuse()
    view = View(
        array,
        lambda base: expand_dims(graph, row_of(graph, base, 0, row), [0]),
        lambda base, new: put_row(graph, base, 0, row, squeeze(graph, new, [0])),
        is_row=True,
    )
    key = slice(row, row + 1)
    made: TracedArray = adopt(trace, (array.shadows[0][key], array.shadows[1][key]), view, [array])
    return made


def _written(trace: Trace, array: TracedArray, items: Items, new: Any) -> Value:
    graph, base = trace.graph, array.value
    if isinstance(new, TracedNumber):
        value = number_as(trace, new, array.dtype)
    else:
        value = trace.array_of(new, array.dtype).value
        trace.check_cast(value, array.dtype)
        value = cast(graph, value, array.dtype)
    if is_basic(items):
        return write_basic(trace, base, items, value)
    if not any(isinstance(item, Traced) for item in items):
        return _write_fixed(trace, base, items, value)
    if _is_condition(items) and all(map(is_full, items[1:])):
        return _write_selected(trace, base, items[0].value, value)
    return _write_traced(trace, base, items, value, array)


def _read_fixed(trace: Trace, value: Value, items: Items, real: tuple[Any, Any]) -> Value:
    """Read at positions that are known, along axes of known size."""
    graph = trace.graph
    arrays = [at for at, item in enumerate(items) if isinstance(item, np.ndarray)]
    if len(arrays) == 1 and items[arrays[0]].dtype != np.bool_ and all(map(is_full, _others(items, arrays))):
        axis, positions = arrays[0], items[arrays[0]]
        dim = value.shape[axis]
        if isinstance(dim, int):
            flat = take_positions(graph, value, axis, (positions.ravel() % dim).tolist())
            return reshape(graph, flat, (*value.shape[:axis], *positions.shape, *value.shape[axis + 1 :]))
    lead, tail = _fixed_tail(trace, value, items)
    shape = (*value.shape[:lead], *tail.shape)
    if len(shape) != real[0].ndim or real[0].shape[lead:] != tail.shape:
        trace.refuse("lists of positions on axes apart", hint="pick along one axis after the other")
    flat = flatten_from(graph, value, lead)
    return reshape(graph, take_positions(graph, flat, lead, tail.ravel().tolist()), shape)


def _write_fixed(trace: Trace, base: Value, items: Items, new: Value) -> Value:
    graph = trace.graph
    lead, tail = _fixed_tail(trace, base, items)
    shape = (*base.shape[:lead], *tail.shape)
    spread_new = spread(trace, new, base, shape, [FULL] * len(shape))
    flat = flatten_from(graph, base, lead)
    made = replace_positions(graph, flat, lead, tail.ravel().tolist(), flatten_from(graph, spread_new, lead))
    return reshape(graph, made, base.shape)


def _fixed_tail(trace: Trace, value: Value, items: Items) -> tuple[int, np.ndarray[Any, Any]]:
    """Return how many leading axes are of unknown size, and the positions that are meant in the rest taken as one."""
    lead = next((axis for axis, dim in enumerate(value.shape) if isinstance(dim, int)), value.rank)
    sizes = [dim for dim in value.shape[lead:] if isinstance(dim, int)]
    if not all(map(is_full, items[:lead])) or len(sizes) != value.rank - lead:
        trace.refuse("positions along an axis of unknown size", hint="pick along the other axes")
    return lead, flat_positions(sizes)[tuple(items[lead:])]


def _read_selected(trace: Trace, array: Traced, items: Items, real: tuple[Any, Any]) -> Any:
    condition: Traced = items[0]
    if not is_basic(items[1:]):
        trace.refuse("a condition and a list of positions in one subscript", hint="use one after the other")
    if not all(map(is_full, items[1:])):
        return read(trace, read(trace, array, (*[FULL] * condition.ndim, *items[1:])), condition)
    value = array.value
    flat = reshape(trace.graph, value, (element_total(value.shape[: condition.ndim]), *value.shape[condition.ndim :]))
    chosen = reshape(trace.graph, condition.value, (flat.shape[0],))
    return wrap(trace, real, select(trace.graph, flat, chosen))


def _write_selected(trace: Trace, base: Value, condition: Value, new: Value) -> Value:
    graph = trace.graph
    if new.rank <= base.rank - condition.rank:  # the same for every selected entry
        wide = expand_dims(graph, condition, list(range(condition.rank, base.rank)))
        return choose(graph, wide, new, base)
    if condition.rank != base.rank or new.rank != 1:
        trace.refuse(
            "an array is written where a condition holds", hint="use np.where(condition, new, x) with a full-size `new`"
        )
    total = element_total(base.shape)
    flat = replace_selected(graph, reshape(graph, base, (total,)), reshape(graph, condition, (total,)), new)
    sizes = [None if isinstance(dim, int) else trace.size_of(base, axis) for axis, dim in enumerate(base.shape)]
    return reshape(graph, flat, base.shape, sizes)


def _read_traced(trace: Trace, value: Value, items: Items) -> Value:
    """Read at positions from the data."""
    graph = trace.graph
    at = [axis for axis, item in enumerate(items) if isinstance(item, Traced)]
    if any(item is None for item in items):
        trace.refuse("a new axis and positions from the data in one subscript", hint="use one after the other")
    if len(at) >= 2 and is_counter(trace, items[0]) and at == [0, 1] and all(map(is_full, items[2:])):
        return gather_rows(graph, value, cast(graph, items[1].value, INT64))
    if len(at) >= 2 and at == list(range(len(at))) and all(map(is_full, items[len(at) :])):
        return _gather_points(trace, value, [item.value for item in items[: len(at)]])
    if len(at) != 1 or any(isinstance(item, np.ndarray) for item in items):
        trace.refuse("this mixture of positions from the data", hint="pick along one axis after the other")
    axis = at[0]
    before, after = items[:axis], items[axis + 1 :]
    ints = [item for item in before if isinstance(item, int)]
    if any(isinstance(item, int) for item in after) or (ints and len(ints) != len(before)):
        trace.refuse("numbers and positions from the data on axes apart", hint="pick along one axis after the other")
    value = read_basic(trace, value, [*before, FULL, *after])
    return gather(graph, value, items[axis].value, axis - len(ints))


def _gather_points(trace: Trace, value: Value, indices: Sequence[Value]) -> Value:
    """Pick single points, or lines, by one position per leading axis."""
    graph = trace.graph
    if len({index.shape for index in indices}) != 1:
        trace.refuse("positions of different shapes", hint="give every axis as many positions")
    points = stack(graph, [cast(graph, index, INT64) for index in indices], indices[0].rank)
    shape = (*indices[0].shape, *value.shape[len(indices) :])
    return graph.one("GatherND", [value, points], value.dtype, shape)


def _write_traced(trace: Trace, base: Value, items: Items, new: Value, array: TracedArray) -> Value:
    """Write at positions from the data: a condition that is true there chooses the new value."""
    graph = trace.graph
    at = [axis for axis, item in enumerate(items) if isinstance(item, Traced)]
    is_pair = at == [0, 1] and is_counter(trace, items[0]) and items[1].ndim == 1
    others = _others(items, at)
    axis = at[-1]
    size = base.shape[axis]
    if not (is_pair or len(at) == 1) or not all(map(is_full, others)) or not isinstance(size, int):
        trace.refuse("writing at positions from the data in this form", hint="use np.where with a condition")
    index = items[axis].value
    hot = one_hot(graph, index, size)
    if is_pair:
        wide = expand_dims(graph, hot, list(range(2, base.rank)))
        new = expand_dims(graph, new, [1]) if new.rank else new
        return choose(graph, wide, new, base)
    if index.rank == 1 and new.rank == 0:
        hot = reduce_any(graph, hot, [0], False)
    elif index.rank:
        trace.refuse("an array is written at positions from the data", hint="use np.where with a condition")
    wide = expand_dims(graph, hot, list(range(1, base.rank - axis)))
    if new.rank >= base.rank - axis and new.rank:
        new = expand_dims(graph, new, [new.rank - (base.rank - axis - 1)])
    return choose(graph, cast(graph, wide, BOOL), new, base)


def _is_condition(items: Items) -> bool:
    """Whether the key begins with truth values from the data."""
    return bool(items) and isinstance(items[0], Traced) and items[0].dtype == np.bool_


def _others(items: Items, at: Sequence[int]) -> list[Any]:
    return [item for axis, item in enumerate(items) if axis not in at]
