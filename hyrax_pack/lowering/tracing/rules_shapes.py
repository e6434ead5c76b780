"""Shapes: reshape, transpose, squeeze, flip, repeat, tile, pad, broadcast. Views stay views."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from hyrax_pack.lowering.graph.building import Dim, Shape, Value
from hyrax_pack.lowering.operations.shaping import expand_dims, reshape, squeeze, transpose
from hyrax_pack.lowering.tracing.filling import broadcast_sizes, broadcast_to_sizes, make_filled, shape_dim
from hyrax_pack.lowering.tracing.numbers import Size
from hyrax_pack.lowering.tracing.rule import Rule
from hyrax_pack.lowering.tracing.shadows import shadow_of
from hyrax_pack.lowering.tracing.views import View

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.arrays import TracedArray
    from hyrax_pack.lowering.tracing.trace import Trace


def lower_reshape(trace: Trace, a: Any, shape: Any = None, order: str = "C", *, copy: Any = None) -> View:
    """Lower np.reshape."""
    array: TracedArray = trace.array_of(a)
    if order not in ("C", "F") and not all(one.flags.c_contiguous for one in array.shadows):
        trace.refuse("an order that depends on how the array lies in memory", construct="order=", hint="order='C'")
    wanted = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    target, sizes = _target(trace, array, wanted)
    before, known = array.value.shape, array.shape
    if order == "F":
        return View(
            array,
            lambda base: _reshape_from_the_first(trace, base, target, sizes),
            lambda base, new: _reshape_from_the_first(trace, new, before, _scalars(trace, known)),
        )
    return View(
        array,
        lambda base: reshape(trace.graph, base, target, sizes),
        lambda base, new: reshape(trace.graph, new, before, _scalars(trace, known)),
    )


def _reshape_from_the_first(trace: Trace, value: Value, shape: Shape, sizes: Sequence[Value | None]) -> Value:
    """Reshape as order="F" does: the first axis runs quickest."""
    turned = transpose(trace.graph, value, tuple(reversed(range(value.rank))))
    made = reshape(trace.graph, turned, tuple(reversed(shape)), list(reversed(sizes)))
    return transpose(trace.graph, made, tuple(reversed(range(made.rank))))


def _target(trace: Trace, array: TracedArray, wanted: Sequence[Any]) -> tuple[Shape, list[Value | None]]:
    """Return a shape with None for what is only known when the graph runs, and the sizes that the call gives for it."""
    dims = [shape_dim(trace, one) for one in wanted]
    sizes = [one.value if isinstance(one, Size) else None for one in dims]
    shape = tuple(one.dim if isinstance(one, Size) else one for one in dims)
    if -1 in shape:
        at = shape.index(-1)
        shape = (*shape[:at], left_over(array.value.shape, (*shape[:at], *shape[at + 1 :])), *shape[at + 1 :])
    return shape, sizes


def left_over(whole: Shape, taken: Shape) -> Dim:
    """Return the dimension that is left of a shape when the others are taken out; None where that is not known.

    Examples
    --------
    >>> left_over((4, 6), (8,))
    3
    """
    free = [dim for dim in whole if not isinstance(dim, int)]
    for dim in taken:
        if not isinstance(dim, int):
            if dim is None or dim not in free:
                return None
            free.remove(dim)
    total, part = (math.prod(dim for dim in shape if isinstance(dim, int)) for shape in (whole, taken))
    if not free:
        return total // part if part else None
    return free[0] if len(free) == 1 and total == part else None


def _scalars(trace: Trace, shape: Sequence[Any]) -> list[Value | None]:
    return [dim.value if isinstance(dim, Size) else None for dim in shape]


def lower_ravel(trace: Trace, a: Any, order: str = "C") -> View:
    """Lower np.ravel."""
    return lower_reshape(trace, a, (-1,), order)


def lower_transpose(trace: Trace, a: Any, axes: Any = None) -> View:
    """Lower np.transpose."""
    array: TracedArray = trace.array_of(a)
    order = tuple(reversed(range(array.ndim))) if axes is None else normalize_axis_tuple(tuple(axes), array.ndim)
    back = tuple(int(at) for at in np.argsort(order))
    return View(
        array,
        lambda base: transpose(trace.graph, base, order),
        lambda base, new: transpose(trace.graph, new, back),
    )


def lower_moveaxis(trace: Trace, a: Any, source: Any, destination: Any) -> View:
    """Lower np.moveaxis."""
    rank = np.ndim(shadow_of(a, 0))
    moved = normalize_axis_tuple(source, rank)
    order = [axis for axis in range(rank) if axis not in moved]
    for place, axis in sorted(zip(normalize_axis_tuple(destination, rank), moved, strict=True)):
        order.insert(place, axis)
    return lower_transpose(trace, a, order)


def lower_rollaxis(trace: Trace, a: Any, axis: int, start: int = 0) -> View:
    """Lower np.rollaxis."""
    rank = np.ndim(shadow_of(a, 0))
    axis = normalize_axis_index(axis, rank)
    start = start + rank if start < 0 else start
    order = [one for one in range(rank) if one != axis]
    order.insert(start - 1 if axis < start else start, axis)
    return lower_transpose(trace, a, order)


def lower_swapaxes(trace: Trace, a: Any, axis1: int, axis2: int) -> View:
    """Lower np.swapaxes."""
    rank = np.ndim(shadow_of(a, 0))
    order = list(range(rank))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return lower_transpose(trace, a, order)


def lower_expand_dims(trace: Trace, a: Any, axis: Any) -> View:
    """Lower np.expand_dims."""
    array: TracedArray = trace.array_of(a)
    wanted = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    axes = sorted(normalize_axis_tuple(wanted, array.ndim + len(wanted)))
    return View(
        array,
        lambda base: expand_dims(trace.graph, base, axes),
        lambda base, new: squeeze(trace.graph, new, axes),
    )


def lower_squeeze(trace: Trace, a: Any, axis: Any = None) -> View:
    """Lower np.squeeze, which must name its axes: without, a batch of one would lose its axis."""
    array: TracedArray = trace.array_of(a)
    if axis is None:
        if any(isinstance(dim, Size) for dim in array.shape):
            trace.refuse(
                "squeeze() without an axis also drops the axis of a batch of one",
                construct="squeeze",
                hint="name the axis: squeeze(axis=1)",
            )
        axis = tuple(at for at, dim in enumerate(array.shape) if dim == 1)
    axes = sorted(normalize_axis_tuple(axis, array.ndim))
    if any(isinstance(array.shape[at], Size) for at in axes):
        trace.refuse("the axis of the batch is squeezed", construct="squeeze", hint="keep the axis of the rows")
    return View(
        array,
        lambda base: squeeze(trace.graph, base, axes),
        lambda base, new: expand_dims(trace.graph, new, axes),
    )


def lower_atleast(rank: int) -> Any:
    """Return the rule of np.atleast_1d, 2d or 3d."""

    def rule(trace: Trace, *arrays: Any) -> Any:
        made = []
        for one in arrays:
            array = trace.array_of(one)
            if array.ndim < rank:
                after = 1 if rank == 3 and array.ndim in (1, 2) else 0
                array = array[(*[None] * (rank - array.ndim - after), Ellipsis, *[None] * after)]
            made.append(array)
        return made[0] if len(made) == 1 else tuple(made)

    return rule


def lower_flip(trace: Trace, m: Any, axis: Any = None) -> Any:
    """Lower np.flip."""
    array = trace.array_of(m)
    axes = range(array.ndim) if axis is None else normalize_axis_tuple(axis, array.ndim)
    return array[tuple(slice(None, None, -1) if at in axes else slice(None) for at in range(array.ndim))]


def lower_rot90(trace: Trace, m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """Lower np.rot90."""
    array, turns = trace.array_of(m), k % 4
    if turns == 0:
        return array[:]
    if turns == 2:
        return lower_flip(trace, array, axes)
    if turns == 1:
        return np.swapaxes(np.flip(array, axes[1]), *axes)
    return np.flip(np.swapaxes(array, *axes), axes[1])


def lower_roll(trace: Trace, a: Any, shift: Any, axis: Any = None) -> Any:
    """Lower np.roll for a shift that is known."""
    array = trace.array_of(a)
    if trace.holds_traced(shift):
        trace.refuse("a shift that depends on the data", construct="np.roll", hint="roll by a fixed number")
    if axis is None:
        return np.reshape(np.roll(np.ravel(array), shift, 0), array.shape)
    shifts, axes = np.broadcast_arrays(np.atleast_1d(shift), np.atleast_1d(axis))
    for by, one in zip(
        shifts.tolist(), normalize_axis_tuple(axes.tolist(), array.ndim, allow_duplicate=True), strict=True
    ):
        size = array.shape[one]
        if isinstance(size, Size):
            _refuse_axis(trace, size, "np.roll")
        by %= size
        if by:
            cut = [slice(None)] * one
            array = np.concatenate([array[(*cut, slice(size - by, None))], array[(*cut, slice(0, size - by))]], one)
    return array


def lower_repeat(trace: Trace, a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Lower np.repeat for numbers of repeats that are known."""
    array = trace.array_of(a)
    if trace.holds_traced(repeats):
        trace.refuse("how often to repeat depends on the data", construct="np.repeat", hint="repeat by a fixed number")
    if axis is None:
        array, axis = np.ravel(array), 0
    axis = normalize_axis_index(axis, array.ndim)
    counts = np.atleast_1d(shadow_of(repeats, 0))
    if counts.size == 1:  # also along the rows
        times = int(counts[0])
        wide = np.expand_dims(array, axis + 1)
        shape = (*array.shape[: axis + 1], times, *array.shape[axis + 1 :])
        merged = (*array.shape[:axis], array.shape[axis] * times, *array.shape[axis + 1 :])
        return np.reshape(np.broadcast_to(wide, shape), merged)
    if isinstance(array.shape[axis], Size):
        _refuse_axis(trace, array.shape[axis], "np.repeat")
    return np.take(array, np.repeat(np.arange(array.shape[axis]), counts), axis)


def lower_tile(trace: Trace, A: Any, reps: Any) -> Any:
    """Lower np.tile."""
    array = trace.array_of(A)
    times = tuple(reps) if isinstance(reps, tuple | list) else (reps,)
    array = array[(*[None] * max(0, len(times) - array.ndim), Ellipsis)]
    times = (*[1] * (array.ndim - len(times)), *times)
    wide = array[tuple(part for _ in times for part in (None, slice(None)))]
    shape = tuple(part for time, dim in zip(times, array.shape, strict=True) for part in (time, dim))
    return np.reshape(np.broadcast_to(wide, shape), tuple(t * d for t, d in zip(times, array.shape, strict=True)))


def lower_broadcast_to(trace: Trace, array: Any, shape: Any, subok: bool = False) -> Value:
    """Lower np.broadcast_to."""
    one = trace.array_of(array)
    wanted = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    return broadcast_to_sizes(trace, one.value, wanted)


def lower_broadcast_arrays(trace: Trace, *args: Any, subok: bool = False) -> list[Any]:
    """Lower np.broadcast_arrays."""
    arrays = [trace.array_of(one) for one in args]
    shape = broadcast_sizes([one.shape for one in arrays])
    return [broadcast_to_sizes(trace, one.value, shape) for one in arrays]


def lower_pad(trace: Trace, array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    """Lower np.pad: constant, edge, reflect, symmetric and wrap, along axes of known size."""
    one = trace.array_of(array)
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap") or trace.holds_traced(pad_width):
        trace.refuse("this kind of padding", construct=f"np.pad(mode={mode!r})", hint="use constant, edge or reflect")
    widths = _widths(pad_width, one.ndim)
    for axis, (before, after) in enumerate(widths):
        if not before and not after:
            continue
        if isinstance(one.shape[axis], Size):
            _refuse_axis(trace, one.shape[axis], "np.pad")
        if mode == "constant":
            one = _pad_constant(trace, one, axis, (before, after), options.get("constant_values", 0))
        else:
            source = np.pad(np.arange(one.shape[axis]), (before, after), mode, **options)
            one = np.take(one, source, axis)
    return one


def _pad_constant(trace: Trace, array: Any, axis: int, widths: tuple[int, int], values: Any) -> Any:
    pairs = (
        np.broadcast_to(np.asarray(shadow_of(values, 0)), (array.ndim, 2)) if not trace.holds_traced(values) else None
    )
    if pairs is None:
        trace.refuse("a padding value that depends on the data", construct="np.pad", hint="use np.concatenate")
    pieces = [array]
    for side, width in enumerate(widths):
        if width:
            fill = array.dtype.type(pairs[axis][side])
            shape = (*array.shape[:axis], width, *array.shape[axis + 1 :])
            block = make_filled(trace, shape, fill)
            pieces.insert(0 if side == 0 else len(pieces), block)
    return np.concatenate(pieces, axis)


def _widths(pad_width: Any, rank: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, dict):
        table = {axis % rank: np.broadcast_to(width, (2,)) for axis, width in pad_width.items()}
        return [(int(table[at][0]), int(table[at][1])) if at in table else (0, 0) for at in range(rank)]
    return [(int(a), int(b)) for a, b in np.broadcast_to(np.asarray(shadow_of(pad_width, 0)), (rank, 2))]


def _refuse_axis(trace: Trace, size: Size, construct: str) -> None:
    hint = (
        "a row must not depend on its place" if size.is_batch else "give all rows one length in the data set's getter"
    )
    trace.refuse(f"this along {size.axis}", construct=construct, hint=hint)


RULES: dict[Any, Rule] = {
    np.reshape: Rule(lower_reshape),
    np.ravel: Rule(lower_ravel),
    np.transpose: Rule(lower_transpose),
    np.permute_dims: Rule(lower_transpose),
    np.matrix_transpose: Rule(lambda trace, x: lower_swapaxes(trace, x, -1, -2)),
    np.moveaxis: Rule(lower_moveaxis),
    np.rollaxis: Rule(lower_rollaxis),
    np.swapaxes: Rule(lower_swapaxes),
    np.expand_dims: Rule(lower_expand_dims),
    np.squeeze: Rule(lower_squeeze),
    np.atleast_1d: Rule(lower_atleast(1)),
    np.atleast_2d: Rule(lower_atleast(2)),
    np.atleast_3d: Rule(lower_atleast(3)),
    np.flip: Rule(lower_flip),
    np.fliplr: Rule(lambda trace, m: lower_flip(trace, m, 1)),
    np.flipud: Rule(lambda trace, m: lower_flip(trace, m, 0)),
    np.rot90: Rule(lower_rot90),
    np.roll: Rule(lower_roll),
    np.repeat: Rule(lower_repeat),
    np.tile: Rule(lower_tile),
    np.broadcast_to: Rule(lower_broadcast_to),
    np.broadcast_arrays: Rule(lower_broadcast_arrays),
    np.pad: Rule(lower_pad),
}
