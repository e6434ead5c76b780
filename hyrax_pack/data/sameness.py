"""Whether two requests ask for the same rows, in whatever words: rows of training may not come back as held out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.config import Config
from hyrax_pack.data.identity import digest_of, digests
from hyrax_pack.data.joining import plain_id
from hyrax_pack.data.protocol import data_set_class, location_of
from hyrax_pack.data.source import Source
from hyrax_pack.errors import DataError

if TYPE_CHECKING:
    from hyrax_pack.data.group import Group

# Rows that are read of two data sets to see whether they are the same ones; of two groups that share ids.
_LOOKED_AT, _COMPARED = 64, 8
# Ids are read one by one, and a data set may open a file for each.
_AT_ONCE, _PATIENCE_S = 256, 2.0
# Whole rows are larger: so many at a time, for so long in each group; so many are read twice to see which fields stay.
_ROWS_AT_ONCE, _ROWS_PATIENCE_S, _READ_TWICE = 16, 1.0, 4
# Where more of the training rows than this repeat one another, equal values do not mean the same row.
_REPEATS = 0.01


@dataclass(frozen=True)
class Shared:
    """Rows of a group that stand in another one too.

    Attributes
    ----------
    count : int
        How many: of those that there was time to look at.
    example : str
        One of them, such as `object_id 17`.
    """

    count: int
    example: str


def where_from(config: Config, request: Mapping[str, Any]) -> tuple[str, str | None]:
    """The class and the place that a request reads, however they are spelled; links are followed.

    Raises
    ------
    ResolveError
        The class is not there.
    """
    cls = data_set_class(config, request)
    location = location_of(config, request)
    if location is not None and "://" not in location:
        location = str(Path(location).resolve())
    return f"{cls.__module__}.{cls.__qualname__}", location


def has_same_rows(one: Source, other: Source) -> bool:
    """Whether two data sets of one class and place, with other settings, hold the same rows at the same positions.

    Ids decide where there are any. Where there are none, every field that answers twice alike has to be equal.
    """
    if len(one) != len(other):
        return False
    rows = _spread(len(one), _LOOKED_AT).tolist()
    if one.id_field is not None and one.id_field == other.id_field:
        mine, theirs = ([plain_id(value) for value in each.read(each.id_field or "", rows)] for each in (one, other))
        return mine == theirs
    fields = [field for field in one.available if field in other.available]

    def read(source: Source) -> dict[str, Any]:
        return {"": {field: source.read(field, rows) for field in fields}}

    return _agree(lambda: read(one), lambda: read(other))


def rows_in_both(held_out: Group, train: Group) -> Shared | None:
    """Rows of one group that are in the other too; None where there are none, or nobody can tell.

    Their ids decide; but ids may mean other rows in another file, so what the ids share must have the same values as
    well. Where one of the groups has none, or ids that only count its rows, rows are the same that have the same values
    in every field.
    """
    there, here = _ids(train), _ids(held_out)
    if there is None or here is None:
        try:
            return _equal_rows(held_out, train)
        except DataError:  # a row that cannot be read: whoever needs it says so
            return None
    shared = [key for key in here if key in there]
    chosen = [shared[at] for at in _spread(len(shared), _COMPARED)] if shared else []
    if not any(_is_same_row(held_out, here[key], train, there[key]) for key in chosen):
        return None
    return Shared(len(shared), f"object_id {chosen[0]}")


def _equal_rows(held_out: Group, train: Group) -> Shared | None:
    """Rows of equal values: as many as can be read in a moment, first those at the same places, as in a copied file."""
    ids = {held_out.id_field, train.id_field}
    steady = (_steady_paths(held_out) & _steady_paths(train)) - ids
    if not steady:
        return None
    here = _contents(held_out, steady, _in_strides(len(held_out)))
    there = _contents(
        train, steady, chain([_at_places(train, held_out.positions[list(here)])], _in_strides(len(train)))
    )
    known = set(there.values())
    if len(there) - len(known) > _REPEATS * len(there):
        return None
    shared = sorted(row for row, content in here.items() if content in known)
    return Shared(len(shared), f"row {held_out.positions[shared[0]]}") if shared else None


def _steady_paths(group: Group) -> set[str]:
    """The fields that answer twice alike."""
    rows = _spread(len(group), _READ_TWICE)
    once, again = (digests({"": group.columns(rows)}) for _ in range(2))
    return {path.removeprefix("/") for path, digest in once.items() if again[path] == digest}


def _contents(group: Group, paths: Collection[str], order: Iterable[NDArray[np.int64]]) -> dict[int, bytes]:
    """Row to a digest of its values, of as many rows as can be read in a moment."""
    until = time.monotonic() + _ROWS_PATIENCE_S
    found: dict[int, bytes] = {}
    for rows in chain.from_iterable(map(_in_pieces, order)):
        columns = group.columns(rows, paths)
        values = zip(*(columns[path] for path in sorted(paths)), strict=True)
        found.update(zip(rows.tolist(), map(digest_of, values), strict=True))
        if time.monotonic() > until:
            break
    return found


def _at_places(group: Group, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of a group that stand at some places of its data set."""
    places = places[places <= group.positions[-1]]
    rows = np.searchsorted(group.positions, places)
    found: NDArray[np.int64] = rows[group.positions[rows] == places]
    return found


def _in_strides(count: int) -> Iterator[NDArray[np.int64]]:
    """All rows, in an order whose beginning is spread over them."""
    step = max(1, count // _AT_ONCE)
    return (np.arange(start, count, step) for start in range(step))


def _in_pieces(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return (rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE))


def _is_same_row(one: Group, row: int, other: Group, there: int) -> bool:
    return _agree(lambda: one.data_dict([row]), lambda: other.data_dict([there]))


def _agree(one: Callable[[], dict[str, Any]], other: Callable[[], dict[str, Any]]) -> bool:
    """Whether two readings have equal values in every field that both have, and that answers twice alike."""
    mine, mine_again, theirs, theirs_again = (digests(read()) for read in (one, one, other, other))
    return all(
        theirs[path] == digest
        for path, digest in mine.items()
        if mine_again[path] == digest and path in theirs and theirs_again[path] == theirs[path]
    )


def _ids(group: Group) -> dict[Hashable, int] | None:
    """Id to row, of as many rows as can be read in a moment; None where ids are no more than the rows' numbers."""
    if group.id_field is None:
        return None
    until = time.monotonic() + _PATIENCE_S
    found: dict[Hashable, int] = {}
    for rows in _in_strides(len(group)):
        found.update(zip(map(plain_id, group.ids(rows)), rows.tolist(), strict=True))
        if time.monotonic() > until:
            break
    return found if any(key != group.positions[row] for key, row in found.items()) else None


def _spread(count: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
