"""Which rows travel in the file as proof: spread over the range of every field, and those with NaN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

GOLDEN_ROWS = 8
ROWS_WITH_NAN = 2


def choose_golden_rows(data_dict: Mapping[str, Any], rows: int, *, count: int = GOLDEN_ROWS) -> tuple[int, ...]:
    """Choose at least `count` rows of a batch (all of them, where it has fewer).

    For each numeric field the rows are ordered by their mean, and the least, the greatest and evenly spaced ones
    between are taken in turn over the fields; then rows with NaN are added, where there are any.

    Parameters
    ----------
    data_dict : dict
        `{friendly: {field: rows, ...}, ...}`, as to_tensor would get it.
    rows : int
        How many rows it holds.
    count : int

    Returns
    -------
    tuple of int
        Places in the batch, ascending.

    Examples
    --------
    >>> choose_golden_rows({"data": {"flux": np.array([3.0, 1.0, np.nan, 2.0])}}, 4, count=2)
    (0, 1, 2)
    """
    columns = [_summary(values, rows) for values in _fields(data_dict)]
    measured = [column for column in columns if column is not None]
    orders = [np.argsort(mean, kind="stable") for mean, _ in measured] or [np.arange(rows)]
    chosen: dict[int, None] = {}
    for at in _evenly(count):
        for order in orders:
            if len(chosen) >= count and at not in (0.0, 1.0):
                break
            chosen.setdefault(int(order[round(at * (rows - 1))]))
        if len(chosen) >= max(count, 2 * len(orders)):
            break
    for row in _in_turn(orders, rows):
        if len(chosen) >= min(count, rows):
            break
        chosen.setdefault(row)
    for _, holes in measured:
        for row in np.flatnonzero(holes)[:ROWS_WITH_NAN]:
            chosen.setdefault(int(row))
    return tuple(sorted(chosen))


def _evenly(count: int) -> Iterator[float]:
    """Places from 0 to 1: both ends first, then the middle, then between."""
    yield 0.0
    yield 1.0
    yield 0.5
    for at in range(1, count):
        yield at / count


def _in_turn(orders: Sequence[NDArray[np.intp]], rows: int) -> Iterator[int]:
    for at in range(rows):
        for order in orders:
            yield int(order[at])


def _fields(values: Mapping[str, Any]) -> Iterator[Any]:
    for value in values.values():
        if isinstance(value, Mapping):
            yield from _fields(value)
        else:
            yield value


def _summary(values: Any, rows: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    """Each row's mean over its finite values, and whether it holds a NaN; None for text and what has no rows."""
    if values is None or len(values) != rows:
        return None
    arrays = [np.asarray(row) for row in values]
    if any(array.dtype.kind not in "biuf" for array in arrays):
        return None
    means = np.zeros(rows)
    holes = np.zeros(rows, dtype=bool)
    for row, array in enumerate(arrays):
        finite = array[np.isfinite(array)].astype(np.float64)
        means[row] = finite.mean() if finite.size else 0.0
        holes[row] = bool(np.isnan(array).any())
    return means, holes
