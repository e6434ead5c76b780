"""Counting: histograms, and how often each whole number occurs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.lowering.graph.ranges import whole_range
from hyrax_pack.lowering.operations.casting import FLOAT64
from hyrax_pack.lowering.tracing.rule import Rule
from hyrax_pack.lowering.tracing.shadows import shadow_of

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

_AT_ONCE = 65536  # as many values numpy's histograms take before they round


def lower_histogram(
    trace: Trace, a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    """Lower np.histogram between edges that are known."""
    if (range is None and isinstance(bins, int | str)) or trace.holds_traced(bins, range):
        trace.refuse("a histogram whose edges come from the data", construct="np.histogram", hint="give range=(a, b)")
    array = np.ravel(trace.array_of(a))
    edges = np.histogram_bin_edges(np.zeros(1, array.dtype), shadow_of(bins, 0), range)
    if array.dtype.kind == "f" and edges.dtype != array.dtype:
        array = array.astype(np.result_type(array.dtype, edges.dtype))
    column = np.expand_dims(array, -1)
    is_last = np.arange(len(edges) - 1) == len(edges) - 2
    inside = (column >= edges[:-1]) & ((column < edges[1:]) | (is_last & (column == edges[-1])))
    if weights is None:
        counts = inside.sum(axis=0)
    else:
        counts = _weighed(trace, inside, weights, is_even=isinstance(bins, int))
    return counts / np.diff(edges).astype(np.float64) / counts.sum() if density else counts, edges


def _weighed(trace: Trace, inside: Any, weights: Any, *, is_even: bool) -> Any:
    """Add up the weights of every bin as numpy does: as doubles, one value after the other, rounded once."""
    array = np.ravel(trace.array_of(weights))
    size = array.shape[0]
    if not is_even or array.dtype.kind not in "iuf" or not isinstance(size, int) or size > _AT_ONCE:
        trace.refuse(
            "weights between uneven edges, or of many values: numpy adds them up in no fixed order",
            construct="np.histogram",
            hint="give bins as a number, with range=(a, b); or np.where(inside, weights, 0).sum()",
        )
    return added_up_by_place(array, inside).astype(array.dtype)


def added_up_by_place(weights: Any, inside: Any) -> Any:
    """Return, for every column of conditions, the sum of the weights for which it holds, one after the other."""
    parts = np.where(inside, np.expand_dims(weights.astype(FLOAT64), -1), 0.0)
    return np.cumsum(parts, axis=0)[-1]


def lower_bincount(trace: Trace, x: Any, /, weights: Any = None, minlength: Any = 0) -> Any:
    """Lower np.bincount where no value can make it longer than it is asked to be."""
    array = trace.array_of(x)
    low, high = whole_range(trace.graph, array.value)
    if array.ndim != 1 or low < 0 or trace.holds_traced(minlength) or high >= minlength:
        trace.refuse(
            "how many counts there are depends on the greatest value",
            construct="np.bincount",
            hint="np.bincount(np.clip(x, 0, n - 1), minlength=n)",
        )
    inside = np.equal(np.expand_dims(array, -1), np.arange(minlength, dtype=array.dtype))
    if weights is None:
        return inside.sum(axis=0)
    return added_up_by_place(trace.array_of(weights), inside)


RULES: dict[Any, Rule] = {
    np.histogram: Rule(lower_histogram, edges={0: "np.histogram"}),
    np.bincount: Rule(lower_bincount),
}
