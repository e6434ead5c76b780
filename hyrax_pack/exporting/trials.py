"""The batches that model and graph are both run on: fresh rows, in every size and order that has ever gone wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hyrax_pack.exporting.slots import Layout, MakeSlots, Slots, free_axes, make_rows, not_finite_rows, row_count, take

LARGE_BATCH = 64
SCAN_ROWS = 512
PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29)
NO_PRIME_LEFT = 30  # a layer that has all of them as dimensions


@dataclass(frozen=True)
class Trial:
    """One batch.

    `rows` are its rows' places in the pool; None where the rows are not the pool's. `made_up` rows are no data of the
    user's: where the model itself refuses them, there is nothing to hold the graph against.
    """

    label: str
    slots: Slots
    rows: tuple[int, ...] | None = None
    made_up: bool = False

    @property
    def size(self) -> int:
        """How many rows it has."""
        return row_count(self.slots)


@dataclass(frozen=True)
class Pool:
    """The rows that the trials draw on, made by to_tensor in one batch."""

    slots: Slots
    indices: tuple[int, ...]  # the data set's own numbers, for messages
    not_finite: tuple[int, ...]  # places of rows that hold a NaN or an infinity

    @property
    def size(self) -> int:
        """How many rows it has."""
        return row_count(self.slots)


def traced_batch_size(layout: Layout) -> int:
    """Return a batch size of at least 3 that equals no other dimension, so that the two cannot be confused."""
    taken = {dim for slot in layout.slots for dim in slot.shape}
    return next((prime for prime in PRIMES if prime not in taken), NO_PRIME_LEFT)


def fill_pool(make_slots: MakeSlots, held_out: Sequence[int], sample: Sequence[int]) -> Pool:
    """Gather `LARGE_BATCH` rows, held out ones first, with rows that hold NaN or infinities where there are any.

    Few rows are repeated until the pool is full. Up to `SCAN_ROWS` rows are looked at for values that are not finite.
    """
    candidates = list(dict.fromkeys(held_out)) or list(dict.fromkeys(sample))
    odd = _rows_that_arenot_finite_rows(make_slots, [*candidates[:SCAN_ROWS], *sample][:SCAN_ROWS])
    chosen = list(dict.fromkeys([*_spread(candidates, LARGE_BATCH - min(len(odd), 8)), *odd[:8]]))
    indices = [chosen[at % len(chosen)] for at in range(max(LARGE_BATCH, len(chosen)))]
    slots = make_rows(make_slots, indices)
    return Pool(slots, tuple(indices), tuple(np.flatnonzero(not_finite_rows(slots)).tolist()))


def plan_trials(pool: Pool, k: int) -> list[Trial]:
    """Cut the pool into batches of 1, 2, 3, k, 2k + 1, 17 and all rows, with rows twice and in another order."""
    return [
        Trial(label, take(pool.slots, rows), tuple(rows))
        for label, rows in _cuts(pool, k)  # the whole pool comes first: the others are held against it
    ]


def trials_of_other_lengths(make_slots: MakeSlots, held_out: Sequence[int], layout: Layout, k: int) -> Iterator[Trial]:
    """Batches whose free dimensions are the shortest, the longest and others than the pool's.

    Each is made by to_tensor from rows of its own; then the longest is doubled, for sequences beyond all seen.
    """
    free = [(place, axis) for place, slot in layout.inputs for axis in free_axes(slot)]
    if not free:
        return
    singles = [(make_rows(make_slots, [index]), index) for index in held_out[:LARGE_BATCH]]
    place, axis = free[0]
    singles.sort(key=lambda made: _length(made[0], place, axis))
    shortest, longest = singles[0], singles[-1]
    yield Trial("1 row, the shortest", shortest[0])
    yield Trial("1 row, the longest", longest[0])
    short = [index for _, index in singles[:k]]
    yield Trial(f"the {len(short)} shortest rows", make_rows(make_slots, short))
    yield Trial("1 row, twice as long as any", _doubled(longest[0], free), made_up=True)


def with_planted(pool: Pool, seed: int = 0) -> Trial | None:
    """Plant the NaN and infinities that the data holds into other rows, at other places; None where it holds none."""
    rng = np.random.default_rng(seed)
    planted = []
    found = False
    for slot in pool.slots:
        if slot is None or slot.dtype.kind != "f" or not len(slot) or np.isfinite(slot).all():
            planted.append(slot)
            continue
        found = True
        values = np.unique(slot[~np.isfinite(slot)])
        slot = slot.copy()
        flat = slot.reshape(len(slot), -1)
        for row in range(0, len(flat), 2):
            flat[row, rng.integers(flat.shape[1])] = rng.choice(values)
        planted.append(slot)
    return Trial("rows with NaN or infinities planted", tuple(planted), made_up=True) if found else None


def _cuts(pool: Pool, k: int) -> Iterator[tuple[str, list[int]]]:
    everything = list(range(pool.size))
    order = np.random.default_rng(0).permutation(pool.size).tolist()
    yield f"{pool.size} rows", everything
    for row in dict.fromkeys([0, pool.size // 2, *pool.not_finite[:2]]):
        yield "1 row", [row]
    yield "2 rows", [1, 2]
    yield "2 rows, one row twice", [3, 3]
    yield "3 rows", [6, 5, 4]
    yield f"{k} rows", everything[7 : 7 + k]
    yield f"{2 * k + 1} rows", order[: 2 * k + 1]
    yield "17 rows, some of them twice", [order[at // 2] for at in range(17)]
    yield f"{pool.size} rows in another order", order


def _spread(candidates: Sequence[int], count: int) -> list[int]:
    """At most `count` of the candidates, evenly over their range."""
    if len(candidates) <= count:
        return list(candidates)
    return [candidates[at] for at in np.linspace(0, len(candidates) - 1, count).astype(int).tolist()]


def _rows_that_arenot_finite_rows(make_slots: MakeSlots, candidates: Sequence[int]) -> list[int]:
    odd: list[int] = []
    for start in range(0, len(candidates), LARGE_BATCH):
        part = candidates[start : start + LARGE_BATCH]
        odd.extend(part[at] for at in np.flatnonzero(not_finite_rows(make_rows(make_slots, part))).tolist())
    return list(dict.fromkeys(odd))


def _length(slots: Slots, place: int, axis: int) -> int:
    slot = slots[place]
    return 0 if slot is None else slot.shape[axis]


def _doubled(slots: Slots, free: Sequence[tuple[int, int]]) -> Slots:
    longer = list(slots)
    for place, axis in free:
        slot = longer[place]
        if slot is not None:
            longer[place] = np.concatenate([slot, slot], axis=axis)
    return tuple(longer)
