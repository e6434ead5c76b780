"""Order: sorting, the positions that sort, partitions, places in known tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from hyrax_pack.lowering.graph.building import Value
from hyrax_pack.lowering.operations.casting import cast
from hyrax_pack.lowering.operations.shaping import broadcast
from hyrax_pack.lowering.operations.sorting import argsort, place_in_sorted, sort
from hyrax_pack.lowering.tracing.keys import parse_key
from hyrax_pack.lowering.tracing.numbers import Size
from hyrax_pack.lowering.tracing.rule import Rule
from hyrax_pack.lowering.tracing.untouchable import Untouchable
from hyrax_pack.lowering.tracing.wrapping import known

if TYPE_CHECKING:
    from typing import Literal

    from hyrax_pack.lowering.tracing.trace import Trace


def lower_sort(trace: Trace, a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """Lower np.sort."""
    array = trace.array_of(a)
    if axis is None:
        return np.sort(np.ravel(array))
    if array.dtype == np.uint64:
        trace.refuse("sorting uint64 values", construct="np.sort", hint="convert to int64 or float64 first")
    return sort(trace.graph, array.value, normalize_axis_index(axis, array.ndim))


def lower_argsort(
    trace: Trace, a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    """Lower np.argsort where the order of equal values is defined."""
    array = trace.array_of(a)
    if kind not in ("stable", "mergesort") and not stable:
        trace.refuse(
            "the order of equal values is not defined",
            construct="np.argsort",
            hint='np.argsort(x, kind="stable")',
        )
    if array.dtype == np.uint64:
        trace.refuse("sorting uint64 values", construct="np.argsort", hint="convert to int64 or float64 first")
    if axis is None:
        array, axis = np.ravel(array), 0
    return argsort(trace.graph, array.value, normalize_axis_index(axis, array.ndim))


class _Partition(Untouchable):
    """What np.partition gives: only the entries that were asked for have a place that is defined."""

    def __init__(self, trace: Trace, ascending: Any, axis: int, places: frozenset[int]) -> None:
        self.__dict__.update(trace=trace, ascending=ascending, axis=axis, places=places)

    trace: Trace
    ascending: Any
    axis: int
    places: frozenset[int]

    def __getitem__(self, key: Any) -> Any:
        items = [item for item in parse_key(self.trace, key, self.ascending.ndim) if item is not None]
        item = items[self.axis] if len(items) > self.axis else None
        if not isinstance(item, int) or item % self.ascending.shape[self.axis] not in self.places:
            self.refuse()
        return self.ascending[key]

    def refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        self.trace.refuse(
            "only the entries that a partition is made for have a defined place in it",
            construct="np.partition",
            hint="np.sort(x, axis=1), and take of it what is wanted",
        )


def lower_partition(
    trace: Trace, a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: Any = None
) -> Any:
    """Lower np.partition, as far as the entries go that it is made for: they are those of the sorted array."""
    array = trace.array_of(a)
    if axis is None:
        array, axis = np.ravel(array), 0
    axis = normalize_axis_index(axis, array.ndim)
    size = array.shape[axis]
    if trace.holds_traced(kth) or isinstance(size, Size):
        trace.refuse("a place that depends on the data", construct="np.partition", hint="np.sort(x, axis=1)")
    places = np.atleast_1d(np.asarray(kth))
    if array.is_known:
        return known(trace, np.partition(array.shadows[0], places, axis))
    return _Partition(trace, np.sort(array, axis), axis, frozenset((places % size).tolist()))


def lower_searchsorted(trace: Trace, a: Any, v: Any, side: str = "left", sorter: Any = None) -> Value:
    """Lower np.searchsorted in a table that is known and sorted."""
    table, needles = trace.array_of(a), trace.array_of(v)
    if sorter is not None or not table.is_known or table.ndim != 1:
        trace.refuse(
            "a search in a table that comes from the data", construct="np.searchsorted", hint="search in a fixed table"
        )
    known = np.asarray(table.shadows[0])
    if (np.sort(known) != known).any():
        trace.refuse("the table is not sorted", construct="np.searchsorted")
    common = np.result_type(known.dtype, needles.dtype)
    values = [cast(trace.graph, one.value, common) for one in (table, needles)]
    places = place_in_sorted(trace.graph, values[0], values[1], right=side == "right")
    return places if places.rank == needles.ndim else broadcast(trace.graph, places, values[1].shape)


def lower_digitize(trace: Trace, x: Any, bins: Any, right: bool = False) -> Any:
    """Lower np.digitize with edges that are known."""
    edges = trace.array_of(bins)
    if not edges.is_known:
        trace.refuse("edges that come from the data", construct="np.digitize", hint="use fixed edges")
    known = np.asarray(edges.shadows[0])
    side: Literal["left", "right"] = "left" if right else "right"
    if known.size > 1 and known[0] > known[-1]:
        return known.size - np.searchsorted(known[::-1], x, side=side)
    return np.searchsorted(known, x, side=side)


RULES: dict[Any, Rule] = {
    np.sort: Rule(lower_sort),
    np.argsort: Rule(lower_argsort, edges={0: "np.argsort"}),
    np.partition: Rule(lower_partition, is_special=True),
    np.searchsorted: Rule(lower_searchsorted, edges={1: "np.searchsorted"}),
    np.digitize: Rule(lower_digitize, edges={0: "np.digitize"}),
}
