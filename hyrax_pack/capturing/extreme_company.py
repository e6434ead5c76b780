"""Rows beside one that is extreme: what ordinary rows never show, such as `x / 255 if x.max() > 50 else x`.

A rule over the whole batch may lie dormant in all the rows at hand, and wake in production. So the first row, and the
last, is scaled, emptied, broken or given a value that the text asks about, field by field: the rows between must answer
as they did before, and the first row beside them as it does alone. What the function refuses with an error is no silent
difference, and is passed over; but a row that is refused alone and answered beside others is filled in from them.

Runs in the fresh process (see hyrax_pack.capturing.fresh_process): numpy and the runtime are there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hyrax_runtime.difference import greatest_difference
from hyrax_runtime.input_guard import copy_input

from hyrax_pack.capturing.extremes import (
    Change,
    Literals,
    changes_of,
    changes_of_length,
    fillings_of,
    fillings_of_all,
    literals_of,
    scalings_of,
    scalings_of_all,
)
from hyrax_pack.capturing.recording import only_fields
from hyrax_pack.capturing.rounding import ANOTHER_SIZE_BITS, Array, Call, Slots, of_row, rounding_of

NEIGHBOURS = 4
# Rounding may differ between a batch of one and of several: relative to the value, by float width.
_ANOTHER_SIZE = {2: 8e-3, 4: 1e-4, 8: 1e-12}
# In a batch of one size no more than the last bits.
_LAST_BITS = 4
_SAME_SIZE = {2: _LAST_BITS * 2.0**-10, 4: _LAST_BITS * 2.0**-23, 8: _LAST_BITS * 2.0**-52}

Path = tuple[str, ...]


@dataclass(frozen=True)
class Company:
    """The rows to try it on: some together, and the first of them alone."""

    together: dict[str, Any]
    alone: dict[str, Any]
    rows: int


@dataclass(frozen=True)
class Attempt:
    """One thing to try: in words, on which columns, what becomes of the row, and whether of the whole row."""

    words: str
    paths: tuple[Path, ...]
    change: Change
    is_whole: bool = False


def find_coupling(
    call: Call, company: Company, text: str, *, read: Collection[str], part: tuple[int, int] = (0, 1)
) -> str | None:
    """Say in words how an extreme row and its neighbours touch one another; None where they do not.

    Parameters
    ----------
    call : callable
        `to_tensor`, on rows that it may change.
    company : Company
        Ordinary rows, of which the function is given the fields that it reads.
    text : str
        The captured text: what it compares with is tried.
    read : collection of str
        The paths of the fields that it reads.
    part : tuple of int
        Which of how many equal parts of the attempts to make.
    """
    together, alone = (only_fields(rows, set(read)) for rows in (company.together, company.alone))
    company = Company(together, alone, company.rows)
    before = call(copy_input(company.together), company.rows)
    if before is None:
        return None
    neighbours = _Neighbours(call, company, before)
    if part[0] == 0 and (found := _twice(call, company, neighbours)):
        return found
    for number, attempt in enumerate(attempts(company, literals_of(text), read)):
        if number % part[1] == part[0] and (found := _try(call, company, neighbours, attempt)):
            return found
    return None


class _Neighbours:
    """What ordinary rows give among themselves, and what is rounding in it."""

    def __init__(self, call: Call, company: Company, before: Slots) -> None:
        self.before = before
        self._call, self._company = call, company
        self._noise: list[Any] | None = None

    def differ(self, after: Slots, rows: Sequence[int]) -> str | None:
        """What is wrong with some rows after another has been changed; None where nothing is."""
        if len(self.before) != len(after):
            return f"({len(self.before)} slots become {len(after)})"
        for place, (one, other) in enumerate(zip(self.before, after, strict=True)):
            if one is None or other is None or not len(one):
                if (one is None) != (other is None):
                    return f"(slot {place} is there or not)"
                continue
            if one.shape != other.shape or one.dtype != other.dtype:
                return f"(slot {place}: {one.dtype} {one.shape} becomes {other.dtype} {other.shape})"
            difference = greatest_difference(one[list(rows)], other[list(rows)])
            if difference and not all(self._is_rounding(one, other, place, row) for row in rows):
                return f"(slot {place}, by {difference:.3g})"
        return None

    def _is_rounding(self, one: Array, other: Array, place: int, row: int) -> bool:
        """Whether a row differs by no more than its last bits: numpy may take another way beside a row of NaN."""
        if one.dtype.kind != "f":
            return not greatest_difference(one[row], other[row])
        if self._noise is None:
            together, rows = self._company.together, self._company.rows
            self._noise = rounding_of(self._call, together, rows, self.before, bits=_LAST_BITS)
        return _is_equal(one[row], other[row], of_row(self._noise, place, row), relative=_SAME_SIZE)


def _try(call: Call, company: Company, neighbours: _Neighbours, attempt: Attempt) -> str | None:
    together, rows = company.together, company.rows
    places = _ends(rows)
    changed, changed_alone = (with_changed(given, attempt, places) for given in (together, company.alone))
    if changed is None or changed_alone is None:
        return None
    after, alone = call(changed, rows), call(changed_alone, 1)
    if after is None and rows > 1:  # the first row may be refused where a later one takes what was left of another
        places = (rows - 1,)
        changed = with_changed(together, attempt, places)
        after = None if changed is None else call(changed, rows)
    if after is not None:
        if found := neighbours.differ(after, [at for at in range(rows) if at not in places]):
            return f"where one row is {attempt.words}, the rows beside it change {found}"
        if alone is None:
            return f"a row that is {attempt.words} is refused alone, and answered beside others"
        for place in places:
            if found := _row_differs(alone, after, place, lambda: _rounding(call, company, attempt, alone, after)):
                return f"a row that is {attempt.words} gives something else alone than beside others {found}"
    return _outnumbered(call, company, neighbours, attempt) if attempt.is_whole else None


def _outnumbered(call: Call, company: Company, neighbours: _Neighbours, attempt: Attempt) -> str | None:
    """One ordinary row among many that are extreme, for rules such as `if np.isnan(x).mean() > 0.5`."""
    ordinary = company.rows // 2
    changed = with_changed(company.together, attempt, [at for at in range(company.rows) if at != ordinary])
    after = None if changed is None else call(changed, company.rows)
    found = None if after is None else neighbours.differ(after, [ordinary])
    return f"where all other rows are {attempt.words}, a row changes {found}" if found else None


def _rounding(call: Call, company: Company, attempt: Attempt, alone: Slots, beside: Slots) -> list[Any]:
    """How much of a difference between a row alone and beside others is rounding, in either."""
    given = ((company.alone, 1, alone), (company.together, company.rows, beside))
    both = [
        rounding_of(call, changed, rows, result, bits=ANOTHER_SIZE_BITS)
        for data_dict, rows, result in given
        if (changed := with_changed_ends(data_dict, attempt, rows)) is not None
    ]
    return [np.maximum(*(of_row(each, place, 0) for each in both)) for place in range(len(alone))]


def _twice(call: Call, company: Company, neighbours: _Neighbours) -> str | None:
    """The same object may be there twice, as in a stream of alerts."""
    twice = copy_input(company.together)
    for path in _paths(twice, company.rows, lambda _: True):
        entry, name = _entry(twice, path)
        entry[name][1] = copy_input(entry[name][0])
    after = call(twice, company.rows)
    if after is None:
        return None
    if found := neighbours.differ(after, [0, *range(2, company.rows)]):
        return f"where a row is there twice, the rows beside it change {found}"
    first = [None if slot is None else slot[:1] for slot in neighbours.before]
    found = _row_differs(first, after, 1, lambda: rounding_of(call, company.alone, 1, first, bits=ANOTHER_SIZE_BITS))
    return f"a row that is there twice gives two results {found}" if found else None


def attempts(company: Company, literals: Literals, read: Collection[str]) -> Iterator[Attempt]:
    """What to try on the first row of a company, field by field."""
    columns = _paths(company.together, company.rows, _can_be_extreme)
    paths = [path for path in columns if {"/".join(path[:2]), path[0]} & set(read)]
    rows = {path: np.asarray(_column(company.together, path)[0]) for path in paths}
    numeric = tuple(path for path in paths if rows[path].dtype.kind in "biuf")
    if len(numeric) > 1:
        for words, change in scalings_of_all():
            yield Attempt(words, numeric, change)
        for words, change in fillings_of_all():
            yield Attempt(words, numeric, change, is_whole=True)
    for path in paths:
        named = f" in {'/'.join(path)}" if len(paths) > 1 else ""
        for words, change in scalings_of(rows[path]):
            yield Attempt(f"{words}{named}", (path,), change)
        for words, change in fillings_of(rows[path], literals):
            yield Attempt(f"{words}{named}", (path,), change, is_whole=True)
        for words, change in changes_of(rows[path], literals):
            yield Attempt(f"{words}{named}", (path,), change)
        shapes = {np.shape(row) for row in _column(company.together, path)}
        for words, change in changes_of_length() if len(shapes) > 1 else ():
            yield Attempt(f"{words}{named}", (path,), change)


def _can_be_extreme(column: Any) -> bool:
    return np.asarray(column[0]).dtype.kind in "biufUS"


def _paths(values: dict[str, Any], rows: int, wanted: Callable[[Any], bool], above: Path = ()) -> Iterator[Path]:
    """Where the columns are: what has a value for each row."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _paths(value, rows, wanted, (*above, name))
        elif isinstance(value, list | np.ndarray) and len(value) == rows and wanted(value):
            yield (*above, name)


def _entry(data_dict: dict[str, Any], path: Path) -> tuple[dict[str, Any], str]:
    entry = data_dict
    for name in path[:-1]:
        entry = entry[name]
    return entry, path[-1]


def _column(data_dict: dict[str, Any], path: Path) -> Any:
    entry, name = _entry(data_dict, path)
    return entry[name]


def with_changed_ends(data_dict: dict[str, Any], attempt: Attempt, rows: int) -> dict[str, Any] | None:
    """The rows with the first one changed, and the same row again in the place of the last; None as below.

    What a loop leaves behind is of the last row, and the last row is the one that takes what was left of the others.
    """
    return with_changed(data_dict, attempt, _ends(rows))


def with_changed(data_dict: dict[str, Any], attempt: Attempt, places: Sequence[int]) -> dict[str, Any] | None:
    """The rows with the first one, changed, in each of some places.

    None where nothing is changed, or a value is none of its kind.
    """
    before = {path: np.asarray(_column(data_dict, path)[0]) for path in attempt.paths}
    new: dict[Path, Array] = {}
    for path, row in before.items():
        with np.errstate(all="ignore"):
            value = attempt.change(row)
        if value is None:
            return None
        new[path] = value
    if all(new[path].shape == row.shape and new[path].tobytes() == row.tobytes() for path, row in before.items()):
        return None
    changed: dict[str, Any] = copy_input(data_dict)
    rows = len(_column(data_dict, attempt.paths[0]))
    for path in _paths(changed, rows, lambda _: True):
        entry, name = _entry(changed, path)
        for place in places[:rows]:
            if path in new:
                entry[name] = _replaced(entry[name], place, new[path])
            elif place:
                entry[name][place] = copy_input(_column(data_dict, path)[0])
    return changed


def _ends(rows: int) -> tuple[int, ...]:
    """The first row, and the last where others stand between them."""
    return (0, rows - 1) if rows > 2 else (0,)


def _replaced(column: Any, place: int, new: Array) -> Any:
    if isinstance(column, np.ndarray) and column.dtype.kind not in "US":  # a longer text needs a wider column
        column[place] = new
        return column
    row = column[place]
    as_before: Any = new.copy()  # the function may change it, and it stands in two places
    if isinstance(row, np.generic):
        as_before = new[()]
    elif not isinstance(row, np.ndarray):
        as_before = new.tolist()
    rows = [*column]
    rows[place] = as_before
    return np.array(rows) if isinstance(column, np.ndarray) else rows


def _row_differs(alone: Slots, beside: Slots, at: int, rounding: Callable[[], list[Any]]) -> str | None:
    """What is wrong with a row beside others; `rounding` is asked where a difference needs an explanation."""
    for place, (one, other) in enumerate(zip(alone, beside, strict=False)):
        if one is None or other is None or not len(one):
            continue
        if one.shape[1:] != other.shape[1:] or one.dtype != other.dtype:
            return f"(slot {place}: {one.dtype} {one.shape[1:]} and {other.dtype} {other.shape[1:]})"
        if not _is_equal(one[0], other[at], 0.0) and not _is_equal(one[0], other[at], of_row(rounding(), place, 0)):
            return f"(slot {place}, by {greatest_difference(one[0], other[at]):.3g})"
    return None


def _is_equal(one: Array, other: Array, rounding: Any, relative: Mapping[int, float] = _ANOTHER_SIZE) -> bool:
    if one.dtype.kind != "f":
        return not greatest_difference(one, other)
    with np.errstate(all="ignore"):
        allowed = relative[one.dtype.itemsize] * np.maximum(np.abs(one), np.abs(other)) + rounding
        same = (one == other) | (np.isnan(one) & np.isnan(other)) | (np.abs(one - other) <= allowed)
    return bool(same.all())
