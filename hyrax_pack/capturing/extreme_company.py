"""Rows beside one that is extreme: what ordinary rows never show, such as `x / 255 if x.max() > 50 else x`.

A rule over the whole batch may lie dormant in all the rows at hand, and wake in production. So one row at a time is
scaled, emptied or broken, and its neighbours must answer as they did before; and the row itself must answer beside
them as it does alone. What the function refuses with an error is no silent difference, and is passed over.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from hyrax_runtime.contract import OBJECT_ID
from hyrax_runtime.difference import greatest_difference
from hyrax_runtime.errors import ReplayError
from hyrax_runtime.input_guard import copy_input
from hyrax_runtime.replay import as_slots

from hyrax_pack.errors import HyraxError
from hyrax_pack.resolving import user_code

_NEIGHBOURS = 4
_LARGEST_INTEGER = 1_000_000  # so that a table sized by it still fits into memory
# Rounding may differ between a batch of one and of several: relative to the row's greatest value, by float width.
_ANOTHER_SIZE = {2: 8e-3, 4: 1e-4, 8: 1e-12}

Array = np.ndarray[Any, Any]
Slots = tuple[Array | None, ...]
Change = Callable[[Array], Array]


def _scaled(factor: float) -> Change:
    def change(values: Array) -> Array:
        if values.dtype.kind == "b":
            flipped: Array = np.logical_not(values)
            return flipped
        if values.dtype.kind == "f":
            scaled: Array = (values * values.dtype.type(factor)).astype(values.dtype)
            return scaled
        limits = np.iinfo(values.dtype)
        least, greatest = max(limits.min, -_LARGEST_INTEGER), min(limits.max, _LARGEST_INTEGER)
        clipped: Array = np.clip(values.astype(np.float64) * factor, least, greatest).astype(values.dtype)
        return clipped

    return change


def _filled(value: float) -> Change:
    def change(values: Array) -> Array:
        return np.full_like(values, value) if values.dtype.kind == "f" or np.isfinite(value) else values

    return change


EXTREMES: dict[str, Change] = {
    "1000 times as large": _scaled(1e3),
    "1000 times as large, of the other sign": _scaled(-1e3),
    "1000 times as small": _scaled(1e-3),
    "all zeros": _filled(0.0),
    "all NaN": _filled(np.nan),
    "infinite": _filled(np.inf),
}
_OF_ONE_FIELD = ("1000 times as large", "1000 times as small")


def find_coupling(
    function: Callable[[Any], Any], make_batch: Callable[[Sequence[int]], dict[str, Any]], rows: Sequence[int]
) -> str | None:
    """Say in words how an extreme row and its neighbours touch one another; None where they do not.

    Parameters
    ----------
    function : callable
        `to_tensor`.
    make_batch : callable
        Gives the data_dict of some rows.
    rows : sequence of int
        Ordinary rows; fewer than five are repeated.
    """
    chosen = [rows[at % len(rows)] for at in range(_NEIGHBOURS + 1)]
    together, alone = make_batch(chosen), make_batch(chosen[:1])
    before = _call(function, together, len(chosen))
    if before is None:
        return None
    for words, changed, changed_alone in _extremes(together, alone, len(chosen)):
        after = _call(function, changed, len(chosen))
        if after is None:
            continue
        if found := _neighbours_differ(before, after):
            return f"where one row is {words}, the rows beside it change {found}"
        lonely = _call(function, changed_alone, 1)
        if lonely is not None and (found := _row_differs(lonely, after)):
            return f"a row that is {words} gives something else alone than beside others {found}"
    return None


def _extremes(
    together: dict[str, Any], alone: dict[str, Any], rows: int
) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    paths = list(_numeric_paths(together, rows))
    for words, change in EXTREMES.items():
        yield words, _with_first_row(together, paths, change), _with_first_row(alone, paths, change)
    if len(paths) > 1:
        for path in paths:
            for words in _OF_ONE_FIELD:
                named = f"{words} in {'/'.join(path)}"
                change = EXTREMES[words]
                yield named, _with_first_row(together, [path], change), _with_first_row(alone, [path], change)


def _numeric_paths(values: dict[str, Any], rows: int, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _numeric_paths(value, rows, (*above, name))
        elif name != OBJECT_ID and hasattr(value, "__len__") and len(value) == rows:
            first = np.asarray(value[0])
            if first.dtype.kind in "biuf":
                yield (*above, name)


def _with_first_row(data_dict: dict[str, Any], paths: Sequence[tuple[str, ...]], change: Change) -> dict[str, Any]:
    changed: dict[str, Any] = copy_input(data_dict)
    for path in paths:
        entry = changed
        for name in path[:-1]:
            entry = entry[name]
        column = entry[path[-1]]
        row = column[0]
        with np.errstate(all="ignore"):
            new = change(np.asarray(row))
        if isinstance(column, np.ndarray):
            column[0] = new
        elif isinstance(column, list):
            column[0] = new if isinstance(row, np.ndarray) else new[()] if isinstance(row, np.generic) else new.tolist()
    return changed


def _call(function: Callable[[Any], Any], data_dict: dict[str, Any], rows: int) -> Slots | None:
    """The slots; None where the function refuses such rows with an error, which nobody overlooks."""
    try:
        with warnings.catch_warnings(), user_code("to_tensor beside an extreme row", ReplayError):
            warnings.simplefilter("ignore")
            slots = as_slots(function(copy_input(data_dict)), rows=rows).slots
    except HyraxError:
        return None
    return tuple(None if slot is None else slot.copy() for slot in slots)


def _neighbours_differ(before: Slots, after: Slots) -> str | None:
    for place, (one, other) in enumerate(zip(before, after, strict=True)):
        if one is None or other is None or not len(one):
            continue
        if one.shape != other.shape or one.dtype != other.dtype:
            return f"(slot {place}: {one.dtype} {one.shape} becomes {other.dtype} {other.shape})"
        difference = greatest_difference(one[1:], other[1:])
        if difference:  # the batch is of the same size: not even rounding may differ
            return f"(slot {place}, by {difference:.3g})"
    return None


def _row_differs(alone: Slots, beside: Slots) -> str | None:
    for place, (one, other) in enumerate(zip(alone, beside, strict=True)):
        if one is None or other is None or not len(one) or one.shape[1:] != other.shape[1:]:
            continue
        difference = greatest_difference(one[0], other[0])
        finite = np.abs(one[0][np.isfinite(one[0])]) if one.dtype.kind == "f" else np.zeros(0)
        allowed = _ANOTHER_SIZE[one.dtype.itemsize] * float(finite.max(initial=0.0)) if one.dtype.kind == "f" else 0.0
        if difference > allowed:
            return f"(slot {place}, by {difference:.3g})"
    return None
