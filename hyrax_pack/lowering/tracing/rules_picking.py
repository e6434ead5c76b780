"""Choosing and picking: where, select, take, choose, rounding, comparing, interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from hyrax_pack.lowering.graph.building import Value
from hyrax_pack.lowering.operations.arithmetic import as_truth, choose, clip
from hyrax_pack.lowering.operations.casting import FLOAT64, cast
from hyrax_pack.lowering.operations.indexing import gather, gather_along, select
from hyrax_pack.lowering.operations.shaping import reshape, take_positions
from hyrax_pack.lowering.tracing.arrays import TracedArray
from hyrax_pack.lowering.tracing.numbers import Size
from hyrax_pack.lowering.tracing.rows import is_stacked
from hyrax_pack.lowering.tracing.rule import Rule
from hyrax_pack.lowering.tracing.shadows import shadow_of

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

_MISSING = np._NoValue
_MOST_PUT = 32


def lower_where(trace: Trace, condition: Any, x: Any = _MISSING, y: Any = _MISSING) -> Any:
    """Lower np.where; with a condition alone it gives positions."""
    truth = trace.array_of(condition)
    if x is _MISSING:
        return lower_nonzero(trace, truth)
    sides = [trace.array_of(x), trace.array_of(y)]
    real = np.result_type(*[_weak(one) for one in (x, y)])
    values = [cast(trace.graph, one.value, real) for one in sides]
    return choose(trace.graph, as_truth(trace.graph, truth.value), values[0], values[1])


def _weak(one: Any) -> Any:
    """Return what promotion looks at: Python numbers bend, all else does not."""
    shadow = shadow_of(one, 0)
    return shadow if type(shadow) in (bool, int, float) else np.asarray(shadow).dtype


def lower_nonzero(trace: Trace, a: Any) -> tuple[Value, ...]:
    """Lower np.nonzero in one dimension: the positions at which a condition holds."""
    array = trace.array_of(a)
    size = array.shape[0] if array.ndim == 1 else None
    if size is None or isinstance(size, Size):
        trace.refuse(
            "how many positions there are depends on the data",
            construct="np.nonzero",
            hint="keep the shape: np.where(condition, x, fill)",
        )
    positions = trace.graph.constant(np.arange(size, dtype=np.int64))
    return (select(trace.graph, positions, as_truth(trace.graph, array.value)),)


def lower_flatnonzero(trace: Trace, a: Any) -> Value:
    """Lower np.flatnonzero."""
    return lower_nonzero(trace, np.ravel(trace.array_of(a)))[0]


def lower_select(trace: Trace, condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """Lower np.select: the first condition that holds chooses."""
    dtype = np.result_type(*[_weak(one) for one in choicelist], _weak(default))
    made = trace.array_of(default).astype(dtype)
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        made = np.where(condition, trace.array_of(choice).astype(dtype), made)
    return made


def lower_clip(trace: Trace, a: Any, a_min: Any = _MISSING, a_max: Any = _MISSING, **options: Any) -> Any:
    """Lower np.clip."""
    low = options.pop("min", None) if a_min is _MISSING else a_min
    high = options.pop("max", None) if a_max is _MISSING else a_max
    options = {name: one for name, one in options.items() if name not in ("min", "max")}
    array = trace.array_of(a)
    if array.dtype.kind in "iu":  # numpy ignores bounds that the dtype cannot go beyond
        limits = np.iinfo(array.dtype)
        low = None if type(low) is int and low <= limits.min else low
        high = None if type(high) is int and high >= limits.max else high
    if array.dtype.kind == "f" and _is_number(low) and _is_number(high) and low <= high and not options:
        return clip(trace.graph, array.value, low, high)
    if low is not None:
        array = np.maximum(array, low, **options)
    return array if high is None else np.minimum(array, high, **options)


def _is_number(bound: Any) -> bool:
    """Whether a bound is a plain number that widens no float array."""
    return type(bound) in (int, float) and bound == bound


def lower_nan_to_num(
    trace: Trace, x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """Lower np.nan_to_num; with copy=False it writes into the array."""
    array = trace.array_of(x)
    if array.dtype.kind != "f":
        return np.copy(array) if copy else array
    limits, kind = np.finfo(array.dtype), array.dtype.type
    made = array
    if trace.holds_traced(posinf, neginf):
        trace.refuse("infinities replaced by values of the data", construct="np.nan_to_num", hint="use np.where")
    if posinf is None and neginf is None:
        made = np.clip(array, float(limits.min), float(limits.max))
    else:
        made = np.where(np.equal(array, np.inf), kind(limits.max if posinf is None else posinf), made)
        made = np.where(np.equal(array, -np.inf), kind(limits.min if neginf is None else neginf), made)
    filling = trace.array_of(nan).astype(array.dtype) if trace.holds_traced(nan) else kind(nan)
    made = np.where(np.isnan(array), filling, made)
    if copy or not hasattr(array, "overwrite"):
        return made
    array[...] = made
    return array


def lower_take(trace: Trace, a: Any, indices: Any, axis: int | None = None, mode: str = "raise", **rest: Any) -> Any:
    """Lower np.take."""
    array = trace.array_of(a)
    if axis is None:
        array, axis = np.ravel(array), 0
    axis = normalize_axis_index(axis, array.ndim)
    size = array.shape[axis]
    places = trace.array_of(indices)
    if mode == "clip" and not isinstance(size, Size):
        places = np.clip(places, 0, size - 1)
    elif mode == "wrap" and not isinstance(size, Size):
        places = np.remainder(places, size)
    elif mode != "raise":
        trace.refuse("this mode", construct=f"np.take(mode={mode!r})", hint="clip the indices first")
    if places.is_known and not isinstance(size, Size):
        real = np.asarray(places.shadows[0])
        flat = take_positions(trace.graph, array.value, axis, (real.ravel() % size).tolist())
        return reshape(trace.graph, flat, (*flat.shape[:axis], *real.shape, *flat.shape[axis + 1 :]))
    return gather(trace.graph, array.value, places.value, axis)


def lower_take_along_axis(trace: Trace, arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Lower np.take_along_axis."""
    array, places = trace.array_of(arr), trace.array_of(indices)
    if axis is None:
        array, axis = np.ravel(array), 0
    at = normalize_axis_index(axis, array.ndim)
    value, index = array.value, places.value
    for axis in range(array.ndim):  # numpy broadcasts the other axes, GatherElements does not
        if axis != at and value.shape[axis] != index.shape[axis]:
            trace.refuse("indices that are broadcast", construct="np.take_along_axis", hint="give them the full shape")
    return gather_along(trace.graph, value, index, at)


def lower_put_along_axis(trace: Trace, arr: Any, indices: Any, values: Any, axis: int | None = -1) -> None:
    """Lower np.put_along_axis: entry after entry, so that of two for one place the last stays."""
    places = trace.array_of(indices)
    if axis is None or not isinstance(arr, TracedArray):
        trace.refuse("a flat array is written", construct="np.put_along_axis", hint="name the axis: axis=1")
    at = normalize_axis_index(axis, arr.ndim)
    size, count = arr.shape[at], places.shape[at]
    if isinstance(size, Size) or isinstance(count, Size) or count > _MOST_PUT:
        trace.refuse(f"more than {_MOST_PUT} entries of a line are written", construct="np.put_along_axis")
    new = np.broadcast_to(trace.array_of(values, arr.dtype), places.shape).astype(arr.dtype)
    made: Any = arr
    for entry in range(count):
        part: Any = (*[slice(None)] * at, entry)
        chosen = trace.array_of(np.eye(size, dtype=np.bool_))[places[part]]
        made = np.where(np.moveaxis(chosen, -1, at), np.expand_dims(new[part], at), made)
    arr[...] = made


def lower_choose(trace: Trace, a: Any, choices: Any, mode: str = "raise") -> Any:
    """Lower np.choose."""
    places = trace.array_of(a).astype(np.int64)
    sides = list(trace.array_of(choices)) if is_stacked(choices) else list(choices)
    examples = [one if type(one) in (bool, int, float) else np.zeros((), trace.array_of(one).dtype) for one in sides]
    dtype = np.choose(0, examples).dtype
    if mode == "raise":
        places = np.where(np.less(places, 0), len(sides), places)
    else:
        places = np.clip(places, 0, len(sides) - 1) if mode == "clip" else np.remainder(places, len(sides))
    places, *parts = np.broadcast_arrays(places, *(trace.array_of(one).astype(dtype) for one in sides))
    return np.take_along_axis(np.stack(parts), np.expand_dims(places, 0), 0)[0]


def lower_isin(
    trace: Trace, element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, **options: Any
) -> Any:
    """Lower np.isin for a known list."""
    array, wanted = trace.array_of(element), trace.array_of(test_elements)
    if not wanted.is_known:
        trace.refuse("membership in a list that comes from the data", construct="np.isin")
    found = np.any(np.equal(np.expand_dims(array, -1), np.asarray(wanted.shadows[0]).ravel()), axis=-1)
    return np.logical_not(found) if invert else found


def lower_interp(
    trace: Trace, x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """Lower np.interp between known positions; numpy's way of stepping around what is not finite is kept."""
    grid, heights = trace.array_of(xp), trace.array_of(fp).astype(FLOAT64)
    if not grid.is_known or period is not None or grid.ndim != 1:
        trace.refuse(
            "interpolation between positions that come from the data",
            construct="np.interp",
            hint="interpolate between fixed positions, or resample in the data set's getter",
        )
    known = np.asarray(grid.shadows[0], dtype=np.float64)
    if (np.diff(known) < 0).any() or len(known) < 2:
        trace.refuse("positions that do not ascend", construct="np.interp")
    points = trace.array_of(x).astype(FLOAT64)
    at = np.clip(np.searchsorted(known, points, side="right") - 1, 0, len(known) - 2)
    x0, x1 = np.take(trace.array_of(known), at), np.take(trace.array_of(known), at + 1)
    y0, y1 = np.take(heights, at), np.take(heights, at + 1)
    slope = (y1 - y0) / (x1 - x0)
    made = slope * (points - x0) + y0
    again = slope * (points - x1) + y1
    again = np.where(np.isnan(again) & (y0 == y1), y0, again)
    made = np.where(np.isnan(made), again, made)
    made = np.where(np.equal(points, x0), y0, made)
    made = np.where(np.greater_equal(points, known[-1]), heights[-1], made)
    made = np.where(np.less(points, known[0]), heights[0] if left is None else left, made)
    made = np.where(np.greater(points, known[-1]), heights[-1] if right is None else right, made)
    return np.where(np.isnan(points), points, made)


def lower_round(trace: Trace, a: Any, decimals: int = 0) -> Any:
    """Lower np.round as numpy does it: scaled, rounded to even, scaled back."""
    array = trace.array_of(a)
    if array.dtype.kind != "f":
        if decimals < 0:
            trace.refuse("integers rounded to tens", construct="np.round")
        return np.rint(array) if array.dtype == np.bool_ else np.copy(array)
    if decimals == 0:
        return np.rint(array)
    factor = array.dtype.type(10.0 ** abs(decimals))
    if decimals > 0:
        return np.divide(np.rint(np.multiply(array, factor)), factor)
    return np.multiply(np.rint(np.divide(array, factor)), factor)


def lower_isclose(trace: Trace, a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Lower np.isclose."""
    x, y = (one if type(one) in (int, float) else trace.array_of(one) for one in (a, b))
    if type(y) is int:
        y = float(y)  # which does not widen, as numpy has it
    elif type(y) is not float and y.dtype.kind != "f":
        y = y.astype(np.float64)  # differences of integers would wrap around
    near = np.less_equal(abs(x - y), atol + rtol * abs(y)) & np.isfinite(y) | np.equal(x, y)
    return near | (np.isnan(x) & np.isnan(y)) if equal_nan else near


def lower_allclose(trace: Trace, a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
    """Lower np.allclose."""
    return trace.python_number(np.all(lower_isclose(trace, a, b, *args, **kwargs)), "np.allclose")


def lower_infinite(sign: int) -> Any:
    """Return the rule of np.isposinf or np.isneginf."""
    return lambda trace, x: np.equal(trace.array_of(x), sign * np.inf)


def lower_array_equal(trace: Trace, a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Lower np.array_equal of arrays of one shape."""
    x, y = trace.array_of(a1), trace.array_of(a2)
    same = np.equal(x, y)
    if equal_nan:
        same = same | (np.isnan(x) & np.isnan(y))
    return trace.python_number(np.all(same), "np.array_equal")


def lower_compress(trace: Trace, condition: Any, a: Any, axis: int | None = None) -> Any:
    """Lower np.compress."""
    array = trace.array_of(a)
    if axis is None:
        return np.ravel(array)[condition]
    return np.moveaxis(np.moveaxis(array, axis, 0)[condition], 0, axis)


def lower_diagonal(trace: Trace, a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Lower np.diagonal of axes of known size, as a copy."""
    array = trace.array_of(a)
    moved = np.moveaxis(array, (axis1, axis2), (-2, -1))
    height, width = moved.shape[-2:]
    if isinstance(height, Size) or isinstance(width, Size):
        trace.refuse("the diagonal of axes whose length depends on the data", construct="np.diagonal")
    rows, columns = np.nonzero(np.eye(height, width, offset))
    return moved[..., rows, columns]


def lower_tri(lower: bool) -> Any:
    """Return the rule of np.tril or np.triu."""

    def rule(trace: Trace, m: Any, k: int = 0) -> Any:
        array = trace.array_of(m)
        height, width = array.shape[-2:]
        if isinstance(height, Size) or isinstance(width, Size):
            trace.refuse("the triangle of axes whose length depends on the data", construct="np.tril")
        kept = np.tri(height, width, k if lower else k - 1, dtype=bool)
        return np.where(kept if lower else ~kept, array, array.dtype.type(0))

    return rule


RULES: dict[Any, Rule] = {
    np.where: Rule(lower_where, edges={0: "np.where"}),
    np.nonzero: Rule(lower_nonzero, edges={0: "np.nonzero"}),
    np.flatnonzero: Rule(lower_flatnonzero, edges={0: "np.flatnonzero"}),
    np.select: Rule(lower_select, edges={0: "np.select"}),
    np.clip: Rule(lower_clip),
    np.nan_to_num: Rule(lower_nan_to_num),
    np.take: Rule(lower_take),
    np.take_along_axis: Rule(lower_take_along_axis),
    np.put_along_axis: Rule(lower_put_along_axis, is_special=True),
    np.choose: Rule(lower_choose, edges={0: "np.choose"}),
    np.isin: Rule(lower_isin, edges={0: "np.isin"}),
    np.interp: Rule(lower_interp),
    np.round: Rule(lower_round, edges={0: "np.round"}),
    np.around: Rule(lower_round, edges={0: "np.round"}),
    np.isclose: Rule(lower_isclose, edges={0: "np.isclose", 1: "np.isclose"}),
    np.allclose: Rule(lower_allclose, edges={0: "np.allclose", 1: "np.allclose"}),
    np.isposinf: Rule(lower_infinite(1)),
    np.isneginf: Rule(lower_infinite(-1)),
    np.fix: Rule(lambda trace, x: np.trunc(trace.array_of(x)), edges={0: "np.fix"}),
    np.array_equal: Rule(lower_array_equal, edges={0: "np.array_equal", 1: "np.array_equal"}),
    np.compress: Rule(lower_compress),
    np.diagonal: Rule(lower_diagonal),
    np.tril: Rule(lower_tri(True)),
    np.triu: Rule(lower_tri(False)),
}
