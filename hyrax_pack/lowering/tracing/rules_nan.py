"""What skips NaN: nanmean, nanmedian, nanpercentile and their kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.lowering.tracing.rule import Rule
from hyrax_pack.lowering.tracing.rules_statistics import (
    halfway,
    is_weak,
    kept_axes,
    known_quantiles,
    lines_along,
    lower_median,
    lower_quantile,
    refuse_options,
)

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

_MISSING = np._NoValue
_LONG_LINE = 600  # entries from which numpy's nanmedian goes line by line


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
        refuse_options(trace, "np.nanquantile", options)
        wanted = known_quantiles(trace, q, scale, method)
        if method != "linear" or wanted.ndim > 1:
            trace.refuse("this way of interpolating", construct="np.nanquantile", hint="use linear")
        array, lines, axes = lines_along(trace, a, axis)
        if lines.dtype.kind != "f":
            return lower_quantile(scale)(trace, a, q, axis, keepdims=keepdims)
        count = np.sum(~np.isnan(lines), axis=-1)
        ordered = np.sort(lines, axis=-1)
        results = [
            kept_axes(_interpolated_of_counted(ordered, count, float(one), is_weak(q)), array, axes, keepdims)
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
    is_late, rest = part >= 0.5, 1 - part
    if is_weak:
        part, rest = part.astype(ordered.dtype), rest.astype(ordered.dtype)
    below, above = _entry(ordered, low), _entry(ordered, high)
    apart = above - below
    return np.where(is_late, above - apart * rest, below + apart * part)


def _entry(lines: Any, index: Any) -> Any:
    return np.take_along_axis(lines, np.expand_dims(index, -1), axis=-1)[..., 0]


def lower_nanmedian(
    trace: Trace, a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = _MISSING
) -> Any:
    """Lower np.nanmedian: the middle of the sorted numbers, which NaN follows."""
    array, lines, axes = lines_along(trace, a, axis)
    if lines.dtype.kind != "f":
        return lower_median(trace, a, axis, keepdims=False if keepdims is _MISSING else keepdims)
    ordered, count = np.sort(lines, axis=-1), np.sum(~np.isnan(lines), axis=-1)
    low, high = np.maximum(count - 1, 0) // 2, np.maximum(np.minimum(count // 2, count - 1), 0)
    below, above = _entry(ordered, low), _entry(ordered, high)
    middle = np.where(low == high, below, halfway(below, above))
    if len(axes) < array.ndim:
        # of short lines numpy takes the median of a masked array: not widened, of an odd number the middle one twice
        is_short = trace.array_of(lines.shape[-1] < _LONG_LINE)
        middle = np.where(is_short, (below + above) / below.dtype.type(2), middle)
    return kept_axes(middle, array, axes, keepdims)


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
        refuse_options(trace, function.__name__, options)
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
    refuse_options(trace, "np.nanmean", {"where": where})
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
    refuse_options(trace, "np.nanvar", options)
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


RULES: dict[Any, Rule] = {
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
}
