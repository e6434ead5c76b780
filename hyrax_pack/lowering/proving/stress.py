"""Rows that look for trouble: NaN, infinities, zeros of both signs, the smallest and largest, ties, constants.

Each row strains one field, in one place, in some places or everywhere; the last rows strain all fields, each in a way
of its own. What a function is likeliest to treat apart comes first, so that it is tried whatever else there is no room
for: the text's own numbers, rows of one value (whose spread is rounding and nothing else), NaN and infinities. No row
holds two huge values of different sign, whose sum depends on the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.lowering.proving.reading import near_literals
from hyrax_pack.lowering.proving.samples import Columns, Generator, Samples, rows_within

_SMALLEST = {2: 2.0**-24, 4: 2.0**-140, 8: 2.0**-1060}
_LARGE = {2: 2.0**15, 4: 2.0**100, 8: 2.0**100}
_NO_VALUE = float(np.finfo(np.float32).max)  # what some files write for "no value", of either sign
_PLAIN = (0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -3.5, 8.0, 10.0, 27.0, 1000.0, 2.0**-17, -(2.0**-17))
# What detectors saturate at and catalogues write for "missing", and numbers that no sum of them adds up to exactly.
_CONSTANTS = (0.1, 0.7, 1 / 3, 99.9, 123.4567, 255.0, 4095.0, 65535.0, -99.0, -999.0, 1e-3, 1e20)
_SEEN_CONSTANTS = 6
_WELL_BEYOND = (1.125, 0.875)  # a number at which something turns over
MOST_ROWS, LEAST_ROWS = 1500, 16
MOST_BYTES = 8 << 20
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
        wanted |= {limits.max // 2 + 1, 1 << 31, 1 << 32, (1 << 53) + 1}
        return sorted(value for value in wanted if limits.min <= value <= limits.max)
    size = dtype.itemsize
    edges = [np.nan, np.inf, -np.inf, _SMALLEST[size], -_SMALLEST[size], _LARGE[size], -_LARGE[size]]
    return [dtype.type(value) for value in (*edges, *_PLAIN)]


def stress_columns(samples: Samples, paths: list[str], random: Generator) -> Columns:
    """Return columns in which every row strains something; `paths` are the fields to strain."""
    plans = [plan for path in paths for plan in _plans(samples, path, random)]
    room = rows_within(samples, MOST_BYTES, LEAST_ROWS, MOST_ROWS)
    plans = sorted(plans, key=lambda plan: plan[0])[:room]
    together = [*_shared_changes(), *([_by_chance] * (min(room, _COMBINED_ROWS) if len(paths) > 1 else 0))]
    columns = samples.draw(len(plans) + len(together), random)
    with np.errstate(all="ignore"):
        for row, (_, path, change) in enumerate(plans):
            columns[path][row] = change(columns[path][row], random)
        for row, shared in enumerate(together, start=len(plans)):
            for path in paths:
                columns[path][row] = shared(columns[path][row], random)
    return columns


def _plans(samples: Samples, path: str, random: Generator) -> list[tuple[int, str, Change]]:
    """Return what to do to one field, each with its turn: the lowest come first."""
    pool = samples.pools[path]
    special = special_values(pool.dtype)
    turning = samples.telling.get(path, ())
    beyond = [number * factor for number in turning for factor in _WELL_BEYOND] if pool.dtype.kind == "f" else []
    telling, own = (near_literals(some, pool.dtype) for some in ([*turning, *beyond], samples.literals))
    own = list(dict.fromkeys([*telling, *own]))
    first = [_everywhere(value) for value in own]
    first += [_in_one_place(value) for value in own] if pool[:1].size > 1 else []
    first += [_everywhere(value) for value in _constants(pool, random)]
    if pool.dtype == np.float32:
        first += [_in_one_place(_NO_VALUE), _in_one_place(-_NO_VALUE)]
    changes = [*first, *_changes(special), *([_faint] if pool.dtype.kind == "f" else [])]
    return [(turn, path, change) for turn, change in enumerate(changes)]


def _constants(pool: NDArray[Any], random: Generator) -> list[Any]:
    """Return values for rows of one value: odd ones, the largest seen, and some that were seen."""
    if pool.dtype.kind != "f":
        return [pool.max()] if pool.size and pool.dtype != np.bool_ else []
    with np.errstate(all="ignore"):
        seen = pool[np.isfinite(pool)]
        chosen = random.choice(seen, _SEEN_CONSTANTS) if seen.size else seen
        largest = [seen.max()] if seen.size else []
        limit = np.finfo(pool.dtype).max
        return [*(pool.dtype.type(value) for value in _CONSTANTS if value < limit), *largest, *chosen]


def _changes(values: list[Any]) -> Iterator[Change]:
    yield from (_one_apart, _scattered(values, positive=False), _scattered(values, positive=True))
    for value in values:
        yield _in_one_place(value)
        yield _everywhere(value)
    yield from (_ties, _negated, _opposed)


def _shared_changes() -> tuple[Change, ...]:
    return (
        lambda row, random: _everywhere(np.nan)(row, random) if row.dtype.kind == "f" else row,
        lambda row, random: _everywhere(0)(row, random),
        lambda row, random: _everywhere(1)(row, random),
        lambda row, random: _everywhere(0.1)(row, random) if row.dtype.kind == "f" else row,
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


def _one_apart(row: NDArray[Any], random: Generator) -> NDArray[Any]:
    """One value everywhere, and in one place another."""
    changed = np.full_like(row, row.flat[0]) if row.size else row
    return _in_one_place(row.flat[-1])(changed, random) if row.size else changed


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
