"""Order statistics and what skips NaN: median, percentiles, nanmean and their kin, averages, histograms."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from hyrax_pack.lowering.operations.casting import BOOL, FLOAT64
from hyrax_pack.lowering.operations.sorting import sort
from hyrax_pack.lowering.tracing.numbers import Size
from hyrax_pack.lowering.tracing.shadows import shadow_of
from hyrax_pack.lowering.tracing.trace import Rule

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

_MISSING = np._NoValue
_METHODS = ("linear", "lower", "higher")


def _lines(trace: Trace, a: Any, axis: Any) -> tuple[Any, Any, tuple[int, ...]]:
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


def _kept(result: Any, array: Any, axes: tuple[int, ...], keepdims: Any) -> Any:
    """Put the reduced axes back as ones where they are to be kept."""
    keep = bool(keepdims) if keepdims is not _MISSING else False
    return np.expand_dims(result, axes) if keep else result


def _sorted_lines(trace: Trace, lines: Any) -> Any:
    return np.sort(lines, axis=-1)


def _plain_options(trace: Trace, construct: str, options: dict[str, Any]) -> None:
    unknown = {name for name, value in options.items() if value not in (None, False, _MISSING)}
    if unknown:
        trace.refuse("this option", construct=f"{construct}({min(unknown)}=)")


def lower_median(
    trace: Trace, a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    """Lower np.median: the mean of the middle two, or the middle one; NaN where there is a NaN."""
    array, lines, axes = _lines(trace, a, axis)
    size = lines.shape[-1]
    if lines.dtype == BOOL or lines.dtype.kind in "iu":
        lines = lines.astype(FLOAT64)
    ordered = _sorted_lines(trace, lines)
    if isinstance(size, Size):
        return _kept(_median_of_counted(trace, ordered, size), array, axes, keepdims)
    low, high = (size - 1) // 2, size // 2
    middle = ordered[..., low] if low == high else (ordered[..., low] + ordered[..., high]) / ordered.dtype.type(2)
    # the last is NaN where any is
    return _kept(np.where(np.isnan(ordered[..., -1]), ordered[..., -1], middle), array, axes, keepdims)


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
        _plain_options(trace, "np.quantile", options)
        wanted = _known_quantiles(trace, q, scale, method)
        array, lines, axes = _lines(trace, a, axis)
        size = lines.shape[-1]
        if isinstance(size, Size):
            trace.refuse("quantiles over the rows, or of a selection", construct="np.quantile", hint="use np.median")
        ordered = _sorted_lines(trace, lines)
        results = [_interpolated(ordered, float(one) * (size - 1), method, _is_weak(q)) for one in wanted.ravel()]
        if lines.dtype.kind == "f":
            bad = np.isnan(ordered[..., -1])
            results = [np.where(bad, ordered[..., -1], one) for one in results]
        results = [_kept(one, array, axes, keepdims) for one in results]
        if wanted.ndim == 0:
            return results[0]
        stacked = np.stack(results, 0)
        return np.reshape(stacked, (*wanted.shape, *stacked.shape[1:])) if wanted.ndim > 1 else stacked

    return rule


def _known_quantiles(trace: Trace, q: Any, scale: float, method: str) -> Any:
    if trace.holds_traced(q):
        trace.refuse("quantiles asked for by the data", construct="np.quantile")
    if method not in _METHODS:
        trace.refuse("this way of interpolating", construct=f"method={method!r}", hint="use linear, lower or higher")
    return np.true_divide(shadow_of(q, 0), scale)


def _is_weak(q: Any) -> bool:
    return type(q) in (int, float)


def _interpolated(ordered: Any, place: float, method: str, is_weak: bool) -> Any:
    """Return what stands at a place of sorted lines, as numpy interpolates it."""
    low = int(np.floor(place))
    high = min(low + 1, int(ordered.shape[-1]) - 1)
    if method != "linear":
        return ordered[..., low if method == "lower" or place == low else high]
    below, above = ordered[..., low], ordered[..., high]
    share: Any = place - low if is_weak else np.float64(place - low)
    apart = above - below
    if place - low >= 0.5:
        return above - apart * (1 - share)
    return below + apart * share


def lower_nanquantile(scale: float) -> Callable[..., Any]:
    """Return the rule of np.nanquantile or np.nanpercentile."""

    def rule(
        trace: Trace,
        a: Any,
        q: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = _MISSING,
        **options: Any,
    ) -> Any:
        _plain_options(trace, "np.nanquantile", options)
        wanted = _known_quantiles(trace, q, scale, method)
        if method != "linear" or wanted.ndim > 1:
            trace.refuse("this way of interpolating", construct="np.nanquantile", hint="use linear")
        array, lines, axes = _lines(trace, a, axis)
        if lines.dtype.kind != "f":
            return lower_quantile(scale)(trace, a, q, axis, keepdims=keepdims)
        count = np.sum(~np.isnan(lines), axis=-1)
        ordered = _sorted_lines(trace, lines)
        results = [
            _kept(_interpolated_of_counted(ordered, count, float(one), _is_weak(q)), array, axes, keepdims)
            for one in wanted.ravel()
        ]
        return results[0] if wanted.ndim == 0 else np.stack(results, 0)

    return rule


def _interpolated_of_counted(ordered: Any, count: Any, share: float, is_weak: bool) -> Any:
    """Return a quantile of the first `count` of sorted lines; NaN where there are none."""
    place = np.maximum(count - 1, 0) * share
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    part: Any = place - low
    if is_weak:
        part = part.astype(ordered.dtype)
    below, above = _entry(ordered, low), _entry(ordered, high)
    apart = above - below
    return np.where(part >= 0.5, above - apart * (1 - part), below + apart * part)


def _entry(lines: Any, index: Any) -> Any:
    return np.take_along_axis(lines, np.expand_dims(index, -1), axis=-1)[..., 0]


def lower_nanmedian(
    trace: Trace, a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = _MISSING
) -> Any:
    """Lower np.nanmedian: the middle of the sorted numbers, which NaN follows."""
    array, lines, axes = _lines(trace, a, axis)
    if lines.dtype.kind != "f":
        return lower_median(trace, a, axis, keepdims=False if keepdims is _MISSING else keepdims)
    ordered, count = _sorted_lines(trace, lines), np.sum(~np.isnan(lines), axis=-1)
    low, high = np.maximum(count - 1, 0) // 2, np.maximum(np.minimum(count // 2, count - 1), 0)
    below, above = _entry(ordered, low), _entry(ordered, high)
    middle = np.where(low == high, below, (below + above) / ordered.dtype.type(2))
    return _kept(middle, array, axes, keepdims)


def _without_nan(array: Any, number: float) -> Any:
    """Return an array with a number in place of NaN."""
    return np.where(np.isnan(array), array.dtype.type(number), array) if array.dtype.kind == "f" else array


def _skipping(function: Any, number: float) -> Callable[..., Any]:
    """Return the rule of np.nansum, nanprod or nancumsum."""

    def rule(trace: Trace, a: Any, axis: Any = None, dtype: Any = None, **options: Any) -> Any:
        return function(_without_nan(trace.array_of(a), number), axis=axis, dtype=dtype, **options)

    return rule


def _skipping_extreme(function: Any, number: float) -> Callable[..., Any]:
    """Return the rule of np.nanmax or np.nanmin: NaN only where there is nothing else."""

    def rule(trace: Trace, a: Any, axis: Any = None, *, keepdims: Any = _MISSING, **options: Any) -> Any:
        _plain_options(trace, function.__name__, options)
        array = trace.array_of(a)
        keep = bool(keepdims) if keepdims is not _MISSING else False
        made = function(_without_nan(array, number), axis=axis, keepdims=keep)
        if array.dtype.kind != "f":
            return made
        return np.where(np.all(np.isnan(array), axis=axis, keepdims=keep), array.dtype.type(np.nan), made)

    return rule


def lower_nanmean(
    trace: Trace, a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = _MISSING, where: Any = _MISSING
) -> Any:
    """Lower np.nanmean."""
    array = trace.array_of(a)
    _plain_options(trace, "np.nanmean", {"where": where})
    keep = bool(keepdims) if keepdims is not _MISSING else False
    if array.dtype.kind != "f":
        return np.mean(array, axis=axis, dtype=dtype, keepdims=keep)
    total = np.sum(_without_nan(array, 0), axis=axis, dtype=dtype, keepdims=keep)
    return total / np.sum(~np.isnan(array), axis=axis, keepdims=keep).astype(total.dtype)


def lower_nanvar(
    trace: Trace,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: Any = 0,
    *,
    keepdims: Any = _MISSING,
    **options: Any,
) -> Any:
    """Lower np.nanvar."""
    _plain_options(trace, "np.nanvar", options)
    array = trace.array_of(a)
    keep = bool(keepdims) if keepdims is not _MISSING else False
    if array.dtype.kind != "f":
        return np.var(array, axis=axis, dtype=dtype, ddof=ddof, keepdims=keep)
    bad = np.isnan(array)
    apart = np.where(bad, array.dtype.type(0), array - lower_nanmean(trace, array, axis, keepdims=True))
    freedom = np.sum(~bad, axis=axis, keepdims=keep) - ddof
    spread = np.sum(apart * apart, axis=axis, dtype=dtype, keepdims=keep)
    return np.where(freedom <= 0, spread.dtype.type(np.nan), spread / freedom.astype(spread.dtype))


def lower_nanstd(trace: Trace, a: Any, *args: Any, **kwargs: Any) -> Any:
    """Lower np.nanstd."""
    return np.sqrt(lower_nanvar(trace, a, *args, **kwargs))


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


def lower_histogram(
    trace: Trace, a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    """Lower np.histogram between edges that are known."""
    if (
        (range is None and isinstance(bins, int | str))
        or density
        or weights is not None
        or trace.holds_traced(bins, range)
    ):
        trace.refuse("a histogram whose edges come from the data", construct="np.histogram", hint="give range=(a, b)")
    array = np.ravel(trace.array_of(a))
    edges = np.histogram_bin_edges(np.zeros(1, array.dtype), shadow_of(bins, 0), range)
    if array.dtype.kind == "f" and edges.dtype != array.dtype:
        array = array.astype(np.result_type(array.dtype, edges.dtype))
    column = np.expand_dims(array, -1)
    inside = (column >= edges[:-1]) & (column < edges[1:])
    last = (array == edges[-1]).astype(np.int64).sum()
    counts = inside.sum(axis=0)
    tail = np.zeros(len(edges) - 1, np.int64)
    tail[-1] = 1
    return counts + last * tail, edges


def lower_sort(trace: Trace, a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """Lower np.sort."""
    array = trace.array_of(a)
    if axis is None:
        return np.sort(np.ravel(array))
    if array.dtype == np.uint64:
        trace.refuse("sorting uint64 values", construct="np.sort", hint="convert to int64 or float64 first")
    return sort(trace.graph, array.value, normalize_axis_tuple(axis, array.ndim)[0])


RULES: dict[Any, Rule] = {
    np.median: Rule(lower_median),
    np.quantile: Rule(lower_quantile(1)),
    np.percentile: Rule(lower_quantile(100)),
    np.nanmedian: Rule(lower_nanmedian),
    np.nanquantile: Rule(lower_nanquantile(1)),
    np.nanpercentile: Rule(lower_nanquantile(100)),
    np.nansum: Rule(_skipping(np.sum, 0)),
    np.nanprod: Rule(_skipping(np.prod, 1)),
    np.nancumsum: Rule(_skipping(np.cumsum, 0)),
    np.nanmax: Rule(_skipping_extreme(np.max, -np.inf)),
    np.nanmin: Rule(_skipping_extreme(np.min, np.inf)),
    np.nanmean: Rule(lower_nanmean),
    np.nanvar: Rule(lower_nanvar),
    np.nanstd: Rule(lower_nanstd),
    np.average: Rule(lower_average),
    np.histogram: Rule(lower_histogram),
    np.sort: Rule(lower_sort),
}
