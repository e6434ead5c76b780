"""Rows that look for trouble: NaN, infinities, zeros of both signs, the smallest and largest, ties, constants.

Each row strains one field, in one place, in some places or everywhere; the last rows strain all fields, each in a way
of its own. Values that fill a row are powers of two or small integers, so that sums over them are exact and no rounding
is taken for an error; and no row holds two huge values of different sign, whose sum depends on the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.lowering.proving.samples import Columns, Generator, Samples

_SMALLEST = {2: 2.0**-24, 4: 2.0**-140, 8: 2.0**-1060}
_LARGE = {2: 2.0**12, 4: 2.0**100, 8: 2.0**100}
_PLAIN = (0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -3.5, 8.0, 1000.0, 2.0**-17, -(2.0**-17))
MAX_ROWS = 400
_COMBINED_ROWS = 32

Change = Callable[[NDArray[Any], Generator], NDArray[Any]]


def special_values(dtype: Any) -> list[Any]:
    """Return the values of a dtype at which implementations part ways."""
    dtype = np.dtype(dtype)
    if dtype == np.bool_:
        return [False, True]
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        wanted = {limits.min, limits.max, limits.min + 1, limits.max - 1, 0, 1, 2, 3, 7, 10, 100, -1, -2, -7}
        return sorted(value for value in wanted if limits.min <= value <= limits.max)
    size = dtype.itemsize
    edges = [np.nan, np.inf, -np.inf, _SMALLEST[size], -_SMALLEST[size], _LARGE[size], -_LARGE[size]]
    return [dtype.type(value) for value in (*edges, *_PLAIN)]


def stress_columns(samples: Samples, paths: list[str], random: Generator) -> Columns:
    """Return columns in which every row strains something; `paths` are the fields to strain."""
    plans = [(path, change) for path in paths for change in _changes(samples.pools[path].dtype)]
    if len(plans) > MAX_ROWS:
        plans = [plans[at] for at in np.sort(random.choice(len(plans), MAX_ROWS, replace=False))]
    together = [*_shared_changes(), *([_by_chance] * (_COMBINED_ROWS if len(paths) > 1 else 0))]
    columns = samples.draw(len(plans) + len(together), random)
    with np.errstate(all="ignore"):
        for row, (path, change) in enumerate(plans):
            columns[path][row] = change(columns[path][row], random)
        for row, shared in enumerate(together, start=len(plans)):
            for path in paths:
                columns[path][row] = shared(columns[path][row], random)
    return columns


def _changes(dtype: Any) -> Iterator[Change]:
    values = special_values(dtype)
    for value in values:
        yield _in_one_place(value)
        yield _everywhere(value)
    yield from (_scattered(values, positive=False), _scattered(values, positive=True), _ties, _negated, _opposed)
    if np.dtype(dtype).kind == "f":
        yield _faint


def _shared_changes() -> tuple[Change, ...]:
    return (
        lambda row, random: _everywhere(np.nan)(row, random) if row.dtype.kind == "f" else row,
        lambda row, random: _everywhere(0)(row, random),
        lambda row, random: _everywhere(1)(row, random),
        lambda row, random: _in_one_place(np.nan)(row, random) if row.dtype.kind == "f" else row,
        _ties,
        _negated,
    )


def _by_chance(row: NDArray[Any], random: Generator) -> NDArray[Any]:
    """One special value, everywhere or in one place; the small ones more often, where fields cancel one another."""
    values = special_values(row.dtype)
    small = [value for value in values if abs(float(value)) <= 1]
    pool = small if random.random() < 0.7 else values
    value = pool[random.integers(len(pool))]
    return (_everywhere if random.random() < 0.7 else _in_one_place)(value)(row, random)


def _in_one_place(value: Any) -> Change:
    def change(row: NDArray[Any], random: Generator) -> NDArray[Any]:
        changed = np.array(row)
        if changed.size:
            changed.flat[random.integers(changed.size)] = value
        return changed

    return change


def _everywhere(value: Any) -> Change:
    return lambda row, random: np.full_like(row, value)


def _scattered(values: list[Any], *, positive: bool) -> Change:
    """Put special values in a third of the places, without NaN and without two huge ones of different sign."""
    least = 0.0 if positive else -1e3
    kept = [value for value in values if float(value) >= least]

    def change(row: NDArray[Any], random: Generator) -> NDArray[Any]:
        chosen = np.array(kept, row.dtype)[random.integers(0, len(kept), np.shape(row))]
        return np.where(random.random(np.shape(row)) < 1 / 3, chosen, row).astype(row.dtype)

    return change


def _ties(row: NDArray[Any], random: Generator) -> NDArray[Any]:
    return random.integers(0, 3, np.shape(row)).astype(row.dtype)


def _negated(row: NDArray[Any], random: Generator) -> NDArray[Any]:
    return ~row if row.dtype == np.bool_ else -row


def _faint(row: NDArray[Any], random: Generator) -> NDArray[Any]:
    return np.asarray(row * row.dtype.type(2.0**-12))


def _opposed(row: NDArray[Any], random: Generator) -> NDArray[Any]:
    """One infinity of each sign among ordinary values (not more: np.nan_to_num makes huge numbers of them); 0 and 1."""
    changed = np.array(row)
    values = [np.inf, -np.inf] if row.dtype.kind == "f" else [0, 1]
    for value, place in zip(values, random.permutation(changed.size)[:2], strict=False):
        changed.flat[place] = value
    return changed
