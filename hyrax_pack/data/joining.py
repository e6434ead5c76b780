"""Rows of several data sets put together: by id where a join field says so, else by position."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.data.source import Source
from hyrax_pack.errors import DataError

log = logging.getLogger(__name__)

_SHOWN = 3


def join_rows(primary: Source, others: Sequence[Source]) -> dict[str, NDArray[np.int64] | None]:
    """Find, for each row of the primary data set, the row of every other one.

    Returns
    -------
    dict of str to (ndarray, shape (rows of the primary,), int64, or None)
        Friendly name to row numbers; None where rows stand at the same position.

    Raises
    ------
    DataError
        Data sets without a join field differ in length, or hold the same ids in another order; or ids that the request
        names are not unique, or not found.
    """
    joined: dict[str, NDArray[np.int64] | None] = {primary.friendly: None}
    ids = unique_ids(primary, primary.id_field) if primary.is_primary else {}
    for other in others:
        if other.join_field is None:
            _check_lengths(primary, other)
            _check_same_order(primary, other)
            joined[other.friendly] = None
        else:
            joined[other.friendly] = _look_up(primary, ids, other)
    return joined


def unique_ids(source: Source, field: str | None) -> dict[Hashable, int]:
    """Return id to row; ids that compare equal in Python are one id, so np.int64(7) finds 7.

    Raises
    ------
    DataError
        An id stands in two rows, or cannot be an id.
    """
    assert field is not None
    rows: dict[Hashable, int] = {}
    repeated: list[Any] = []
    for row, value in enumerate(source.read(field, range(len(source)))):
        key = _key(value, source, field, row)
        if rows.setdefault(key, row) != row:
            repeated.append(key)
    if repeated:
        some = _some(list(dict.fromkeys(repeated)))
        raise DataError(f"{source.place(field)}: {len(repeated)} rows repeat an id, such as {some}; ids must be unique")
    return rows


def _check_lengths(primary: Source, other: Source) -> None:
    if len(primary) != len(other):
        raise DataError(
            f"{other.where}: {other.friendly} has {len(other)} rows and {primary.friendly} has {len(primary)}; "
            f"give {primary.friendly} a primary_id_field and {other.friendly} a join_field, or data of equal length"
        )


def _check_same_order(primary: Source, other: Source) -> None:
    """Refuse to pair rows by position where both have the ids, and the ids say otherwise.

    Ids of another kind, none of which the other data set has, say nothing.
    """
    mine = primary.id_field
    theirs = mine if mine in other.available else other.id_field
    if mine is None or theirs is None:
        log.warning("%s and %s have no ids in common: row by row, they are paired", primary.friendly, other.friendly)
        return
    here, there = (
        [plain_id(value) for value in source.read(field, range(len(source)))]
        for source, field in ((primary, mine), (other, theirs))
    )
    unlike = [row for row, (one, two) in enumerate(zip(here, there, strict=True)) if one != two]
    known = set(here)
    if unlike and any(there[row] in known for row in unlike):
        row = unlike[0]
        raise DataError(
            f"{other.where}: {len(unlike)} of {len(here)} rows stand beside another id: row {row} is {here[row]!r} in "
            f"{primary.friendly}/{mine} and {there[row]!r} in {other.friendly}/{theirs}. To join by id, set "
            f'primary_id_field = "{mine}" for {primary.friendly} and join_field = "{theirs}" for {other.friendly}'
        )


def _look_up(primary: Source, ids: dict[Hashable, int], other: Source) -> NDArray[np.int64]:
    there = unique_ids(other, other.join_field)
    missing = [key for key in ids if key not in there]
    if missing:
        raise DataError(
            f"{other.where}.join_field: {len(missing)} of {len(ids)} ids of {primary.friendly}/{primary.id_field} "
            f"are not in {other.friendly}/{other.join_field}, such as {_some(missing)}"
        )
    return np.fromiter((there[key] for key in ids), dtype=np.int64, count=len(ids))


def _key(value: Any, source: Source, field: str, row: int) -> Hashable:
    value = plain_id(value)
    if not isinstance(value, (str, int, bytes)):
        raise DataError(f"{source.place(field)}, row {row}: {value!r} cannot be an id; expected an integer or a text")
    return value


def plain_id(value: Any) -> Hashable:
    """An id as Python has it, so that it can be looked up; what cannot be an id, as text."""
    if isinstance(value, np.ndarray):
        value = value[()] if value.ndim == 0 else value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, Hashable) else repr(value)


def _some(values: Sequence[Any]) -> str:
    shown = ", ".join(repr(value) for value in values[:_SHOWN])
    return f"{shown}, …" if len(values) > _SHOWN else shown
