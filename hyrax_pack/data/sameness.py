"""Whether two requests ask for the same rows, in whatever words: rows of training may not come back as held out."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.config import Config
from hyrax_pack.data.identity import digests
from hyrax_pack.data.joining import plain_id
from hyrax_pack.data.protocol import data_set_class, location_of
from hyrax_pack.data.source import Source

if TYPE_CHECKING:
    from hyrax_pack.data.group import Group

# Rows that are read of two data sets to see whether they are the same ones; of two groups that share ids.
_LOOKED_AT, _COMPARED = 64, 8
# Ids are read one by one, and a data set may open a file for each.
_AT_ONCE, _PATIENCE_S = 256, 2.0


@dataclass(frozen=True)
class Shared:
    """Rows of a group that stand in another one too.

    Attributes
    ----------
    count : int
        How many: of those that there was time to look at.
    example : object
        The id of one.
    """

    count: int
    example: Any


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
    """Rows of one group that are in the other too, by their ids; None where there are none, or nobody can tell.

    Ids that count rows in two files mean other rows: what the ids share must have the same values as well.
    """
    if held_out.id_field is None or train.id_field is None:
        return None
    there, here = _ids(train), _ids(held_out)
    shared = [key for key in here if key in there]
    chosen = [shared[at] for at in _spread(len(shared), _COMPARED)] if shared else []
    if not any(_is_same_row(held_out, here[key], train, there[key]) for key in chosen):
        return None
    return Shared(len(shared), chosen[0])


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


def _ids(group: Group) -> dict[Hashable, int]:
    """Id to row, of as many rows as can be read in a moment; those of a long group are spread over it."""
    until = time.monotonic() + _PATIENCE_S
    step = max(1, len(group) // _AT_ONCE)
    found: dict[Hashable, int] = {}
    for start in range(step):
        rows = np.arange(start, len(group), step)
        found.update(zip(map(plain_id, group.ids(rows)), rows.tolist(), strict=True))
        if time.monotonic() > until:
            break
    return found


def _spread(count: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
