"""Whether the rows of a batch touch one another: measured alone, together, permuted, and in other company."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hyrax_runtime.difference import greatest_difference

BATCH_SIZES = (1, 2, 3, 17, 64)
_KEPT = 8  # rows that stay when the others are exchanged
_MEMORY_BYTES = 256 * 2**20

Slot = np.ndarray[Any, Any] | None

# Sums over a batch of another size may add in another order (BLAS, pairwise summation): relative to the greatest value
# that stands in the same place of any row. At the same size the order is the same, and 8 ulp are plenty.
_ANOTHER_SIZE = {2: 8e-3, 4: 1e-4, 8: 1e-12}
_SAME_SIZE_ULPS = 8


@dataclass(frozen=True)
class Batch:
    """Some rows, as positions among the plan's distinct rows, and their data_dict."""

    rows: tuple[int, ...]
    data_dict: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """The batches to run: each row alone first, then together in several sizes, permuted, and in other company."""

    batches: tuple[Batch, ...]
    notes: tuple[str, ...]

    @property
    def largest(self) -> int:
        """Which batch holds most rows in their own order."""
        return max(range(len(self.batches)), key=lambda place: (len(self.batches[place].rows), -place))


@dataclass(frozen=True)
class Coupling:
    """Whether rows are independent, by how much a row's result moved at most, and why not."""

    independent: bool
    greatest_difference: float
    notes: tuple[str, ...]


def plan_batches(row_indices: Sequence[int], make_batch: Callable[[Sequence[int]], dict[str, Any]]) -> Plan:
    """Draw up the batches; rows are repeated where fewer than 64 are given, and sizes dropped where rows are huge."""
    step = max(1, len(row_indices) // BATCH_SIZES[-1])  # from all over the data set: it may be sorted by class
    distinct = list(dict.fromkeys(row_indices[::step][: BATCH_SIZES[-1]]))
    first = make_batch(distinct[:1])
    affordable = _MEMORY_BYTES // max(1, 4 * _size_bytes(first))
    sizes = [size for size in BATCH_SIZES if size <= max(3, affordable)]
    notes = [] if sizes[-1] == BATCH_SIZES[-1] else [f"rows are large: batches of up to {sizes[-1]} were tried"]
    distinct = distinct[: sizes[-1]]
    order = [place % len(distinct) for place in range(sizes[-1])]
    together = [order[:size] for size in sizes[1:]]
    permuted = [rows[::-1] for rows in together]
    company = [[*order[:_KEPT], *order[:-_KEPT][::-1]][:size] for size in sizes if size > _KEPT]
    wanted = [*together, *permuted, *company]
    batches = [Batch((0,), first)]
    batches += [Batch((place,), make_batch([index])) for place, index in enumerate(distinct) if place]
    batches += [Batch(tuple(rows), make_batch([distinct[place] for place in rows])) for rows in wanted]
    return Plan(tuple(batches), tuple(notes))


def _size_bytes(values: Any) -> int:
    """About how much memory a data_dict takes."""
    if isinstance(values, dict):
        return sum(map(_size_bytes, values.values()))
    if isinstance(values, list | tuple):
        return sum(map(_size_bytes, values))
    return int(getattr(values, "nbytes", 0)) or sys.getsizeof(values)


def measure_coupling(plan: Plan, results: Sequence[Sequence[Slot]]) -> Coupling:
    """Compare what each row gave alone with what it gave in every batch, and batches of one size with one another.

    Parameters
    ----------
    plan : Plan
        What was run.
    results : sequence of sequence of ndarray or None
        The slots of each batch of the plan.
    """
    alone = {batch.rows[0]: slots for batch, slots in zip(plan.batches, results, strict=True) if len(batch.rows) == 1}
    scales = _scales(list(alone.values()))
    first_of_size: dict[tuple[int, int], Sequence[Slot]] = {}
    greatest, reasons = 0.0, dict[int, str]()
    for batch, slots in zip(plan.batches, results, strict=True):
        size = len(batch.rows)
        for position, row in enumerate(batch.rows):
            mine = [None if slot is None or not len(slot) else slot[position] for slot in slots]
            same_size = first_of_size.setdefault((size, row), mine)
            for place, one in enumerate(mine):
                lonely = _only_row(alone[row], place)
                difference, reason = _compare(lonely, one, _another_size(scales, place, one))
                beside, other_reason = _compare(same_size[place], one, _same_size(scales, place, one))
                greatest = max(greatest, difference, beside)
                if found := reason or other_reason:
                    reasons.setdefault(place, f"slot {place}, batch of {size}: {found}")
    notes = [f"rows touch one another: {reason}" for reason in reasons.values()]
    return Coupling(not reasons, greatest, tuple(notes))


def _only_row(slots: Sequence[Slot], place: int) -> Slot:
    slot = slots[place] if place < len(slots) else None
    return None if slot is None or not len(slot) else slot[0]


def _compare(one: Slot, other: Slot, tolerance: Any) -> tuple[float, str | None]:
    """Greatest difference of a row's results, and what is wrong where they do not count as equal."""
    if one is None or other is None:
        return (0.0, None) if one is other else (np.inf, "a slot is there in one batch and not in another")
    if one.shape != other.shape:
        return (
            np.inf,
            f"a row has shape {one.shape} in one batch and {other.shape} in another, as when padded together",
        )
    if one.dtype != other.dtype:
        return np.inf, f"the dtype is {one.dtype} in one batch and {other.dtype} in another"
    if one.tobytes() == other.tobytes():
        return 0.0, None
    difference = greatest_difference(one, other)
    words = f"a row's result changes with the rows beside it, by {difference:.3g}"
    if one.dtype.kind != "f" or not np.isfinite(difference):
        return (difference, words) if difference else (0.0, None)
    with np.errstate(invalid="ignore"):  # inf - inf
        within = (one == other) | (np.isnan(one) & np.isnan(other)) | (np.abs(one - other) <= tolerance)
    return difference, None if within.all() else words


def _scales(alone: Sequence[Sequence[Slot]]) -> dict[int, Any]:
    """For each slot the greatest finite magnitude at every place of a row; one number where rows differ in shape."""
    scales: dict[int, Any] = {}
    for place in range(max(map(len, alone))):
        rows = [row for slots in alone if (row := _only_row(slots, place)) is not None and row.dtype.kind == "f"]
        sizes = [np.where(np.isfinite(row), np.abs(row), 0).astype(np.float64) for row in rows]
        if sizes and len({size.shape for size in sizes}) == 1:
            scales[place] = np.max(np.stack(sizes), axis=0)
        else:
            scales[place] = max((float(size.max(initial=0.0)) for size in sizes), default=0.0)
    return scales


def _another_size(scales: dict[int, Any], place: int, row: Slot) -> Any:
    return 0.0 if row is None or row.dtype.kind != "f" else _ANOTHER_SIZE[row.dtype.itemsize] * scales[place]


def _same_size(scales: dict[int, Any], place: int, row: Slot) -> Any:
    if row is None or row.dtype.kind != "f":
        return 0.0
    return _SAME_SIZE_ULPS * float(np.finfo(row.dtype).eps) * scales[place]
