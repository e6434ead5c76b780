"""Order statistics and averages."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from hyrax_pack.lowering.operations.casting import BOOL, FLOAT64
from hyrax_pack.lowering.tracing.numbers import Size
from hyrax_pack.lowering.tracing.rule import Rule
from hyrax_pack.lowering.tracing.shadows import shadow_of

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

_MISSING = np._NoValue
_METHODS = ("linear", "lower", "higher", "nearest")


def lines_along(trace: Trace, a: Any, axis: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """Return the array, it with the reduced axes merged into the last, and those axes."""
    array = trace.array_of(a)
    axes = tuple(range(array.ndim)) if axis is None else tuple(sorted(normalize_axis_tuple(axis, array.ndim)))
    if len(axes) == 1 and axes[0] == array.ndim - 1:
        return array, array, axes
    rest = [at for at in range(array.ndim) if at not in axes]
    moved = np.transpose(array, (*rest, *axes))
    kept = tuple(array.shape[at] for at in rest)
    if len(axes) == 1:
        return array, moved, axes
    merged: Any = 1
    for at in axes:
        merged = array.shape[at] * merged
    return array, np.reshape(moved, (*kept, merged)), axes


def kept_axes(result: Any, array: Any, axes: tuple[int, ...], keepdims: Any) -> Any:
    """Put the reduced axes back as ones where they are to be kept."""
    keep = bool(keepdims) if keepdims is not _MISSING else False
    return np.expand_dims(result, axes) if keep else result


def refuse_options(trace: Trace, construct: str, options: dict[str, Any]) -> None:
    """Refuse options that say something."""
    unknown = {name for name, value in options.items() if value not in (None, False, _MISSING)}
    if unknown:
        trace.refuse("this option", construct=f"{construct}({min(unknown)}=)")


def lower_median(
    trace: Trace, a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    """Lower np.median: the mean of the middle two, or the middle one; NaN where there is a NaN."""
    array, lines, axes = lines_along(trace, a, axis)
    size = lines.shape[-1]
    if lines.dtype == BOOL or lines.dtype.kind in "iu":
        lines = lines.astype(FLOAT64)
    ordered = np.sort(lines, axis=-1)
    if isinstance(size, Size):
        return kept_axes(_median_of_counted(trace, ordered, size), array, axes, keepdims)
    low, high = (size - 1) // 2, size // 2
    middle = ordered[..., low] if low == high else halfway(ordered[..., low], ordered[..., high])
    # the last is NaN where any is
    return kept_axes(np.where(np.isnan(ordered[..., -1]), ordered[..., -1], middle), array, axes, keepdims)


def halfway(below: Any, above: Any) -> Any:
    """Return the mean of two; of float16 in float32, as numpy takes means."""
    if below.dtype != np.float16:
        return (below + above) / below.dtype.type(2)
    return ((below.astype(np.float32) + above.astype(np.float32)) / np.float32(2)).astype(np.float16)


def _median_of_counted(trace: Trace, ordered: Any, size: Size) -> Any:
    """Return the median along an axis whose length is known only when the graph runs; NaN where it is 0."""
    nan = ordered.dtype.type(np.nan)
    edge = (*ordered.shape[:-1], 1)
    padded = np.concatenate([ordered, np.broadcast_to(trace.array_of(nan), edge)], -1)
    last = np.maximum(size - 1, 0)
    middle = (np.take(padded, np.maximum(size - 1, 0) // 2, -1) + np.take(padded, size // 2, -1)) / ordered.dtype.type(
        2
    )
    middle = np.where(
        trace.array_of(trace.calculate(operator.eq, (size % 2, 1))), np.take(padded, last // 2, -1), middle
    )
    return np.where(np.isnan(np.take(padded, last, -1)), nan, middle)


def lower_quantile(scale: float) -> Callable[..., Any]:
    """Return the rule of np.quantile (scale 1) or np.percentile (scale 100)."""

    def rule(
        trace: Trace,
        a: Any,
        q: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = False,
        **options: Any,
    ) -> Any:
        refuse_options(trace, "np.quantile", options)
        wanted = known_quantiles(trace, q, scale, method)
        array, lines, axes = lines_along(trace, a, axis)
        size = lines.shape[-1]
        if isinstance(size, Size):
            trace.refuse(f"quantiles along {size.axis}", construct="np.quantile", hint="use np.median")
        ordered = np.sort(lines, axis=-1)
        results = [_interpolated(ordered, float(one) * (size - 1), method, is_weak(q)) for one in wanted.ravel()]
        if lines.dtype.kind == "f":
            bad = np.isnan(ordered[..., -1])
            results = [np.where(bad, ordered[..., -1], one) for one in results]
        results = [kept_axes(one, array, axes, keepdims) for one in results]
        if wanted.ndim == 0:
            return results[0]
        stacked = np.stack(results, 0)
        return np.reshape(stacked, (*wanted.shape, *stacked.shape[1:])) if wanted.ndim > 1 else stacked

    return rule


def known_quantiles(trace: Trace, q: Any, scale: float, method: str) -> Any:
    """Return the quantiles as shares of one, if they are known and interpolated in a way that lowers."""
    if trace.holds_traced(q):
        trace.refuse("quantiles asked for by the data", construct="np.quantile")
    if method not in _METHODS:
        trace.refuse(
            "this way of interpolating", construct=f"method={method!r}", hint="use linear, lower, higher or nearest"
        )
    return np.true_divide(shadow_of(q, 0), scale)


def is_weak(q: Any) -> bool:
    """Whether a quantile is a Python number, which does not widen the result."""
    return type(q) in (int, float)


def _interpolated(ordered: Any, place: float, method: str, is_weak: bool) -> Any:
    """Return what stands at a place of sorted lines, as numpy interpolates it."""
    low = int(np.floor(place))
    high = min(low + 1, int(ordered.shape[-1]) - 1)
    if method == "nearest":
        return ordered[..., int(np.rint(place))]
    if method != "linear":
        return ordered[..., low if method == "lower" or place == low else high]
    below, above = ordered[..., low], ordered[..., high]
    share: Any = place - low if is_weak else np.float64(place - low)
    apart = above - below
    if place - low >= 0.5:
        return above - apart * (1 - share)
    return below + apart * share


def lower_average(
    trace: Trace, a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = _MISSING
) -> Any:
    """Lower np.average for weights that are known: of others the sum may be 0, and then numpy raises."""
    array = trace.array_of(a)
    keep = bool(keepdims) if keepdims is not _MISSING else False
    if returned or trace.holds_traced(weights):
        trace.refuse(
            "an average whose weights come from the data: numpy raises where they add up to 0",
            construct="np.average",
            hint="(x * w).sum(axis) / w.sum(axis)",
        )
    if weights is None:
        return np.mean(array, axis=axis, keepdims=keep)
    known = np.asarray(shadow_of(weights, 0))
    dtype = np.result_type(array.dtype, known.dtype, *([FLOAT64] if array.dtype.kind in "iub" else []))
    if known.ndim < array.ndim:
        axes = normalize_axis_tuple(axis, array.ndim)
        shape = [1] * array.ndim
        for at, size in zip(axes, known.shape, strict=True):
            shape[at] = size
        known = known.reshape(shape)
    total = np.sum(np.multiply(array, known, dtype=dtype), axis=axis, keepdims=keep)
    return total / dtype.type(known.sum(dtype=dtype))


RULES: dict[Any, Rule] = {
    np.median: Rule(lower_median),
    np.quantile: Rule(lower_quantile(1)),
    np.percentile: Rule(lower_quantile(100)),
    np.average: Rule(lower_average),
}
