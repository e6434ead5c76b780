"""Whether the rows of a batch touch one another: measured alone, together, permuted, in other company, in crowds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hyrax_runtime.difference import greatest_difference

from hyrax_pack.capturing.recording import field_paths, only_fields
from hyrax_pack.capturing.rounding import ANOTHER_SIZE_BITS, ELSEWHERE_BITS, Call, of_row, rounding_of

BATCH_SIZES = (1, 2, 3, 17, 64)
CROWD = 1024  # more rows than a rule such as "from 200 rows on" would ask for
_IN_COMPANY = 5  # rows to try extreme values on
_MOST_SIZES = 8  # of crowds
_KEPT = 8  # rows that stay when the others are exchanged
_MEMORY_BYTES = 256 * 2**20

Slot = np.ndarray[Any, Any] | None
MakeBatch = Callable[[Sequence[int]], dict[str, Any]]

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
    """The batches to run: each row alone first, then together in several sizes, permuted, and in other company.

    `indices` are the distinct rows; `crowds` are larger batches, in which they come again and again; `company` is a
    few rows, the first of them alone, and how many they are.
    """

    indices: tuple[int, ...]
    batches: tuple[Batch, ...]
    crowds: tuple[Batch, ...]
    company: tuple[dict[str, Any], dict[str, Any], int]
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


def plan_batches(row_indices: Sequence[int], make_batch: MakeBatch, crowds: Iterable[int] = ()) -> Plan:
    """Draw up the batches; rows are repeated where fewer than 64 are given, and sizes dropped where rows are huge.

    `crowds` are batch sizes beyond 64 to be tried.
    """
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
    largest = batches[len(distinct) + len(together) - 1]
    few = order[: min(_IN_COMPANY, sizes[-1])]
    # the first of them is made extreme, and an empty light curve cannot be
    richest = max(few, key=lambda place: _size_bytes(batches[place].data_dict))
    few.remove(richest)
    few.insert(0, richest)
    return Plan(
        tuple(distinct),
        tuple(batches),
        tuple(_crowds(largest, distinct, make_batch, [size for size in crowds if size <= affordable])),
        (make_batch([distinct[place] for place in few]), batches[richest].data_dict, len(few)),
        tuple(notes),
    )


def _crowds(largest: Batch, distinct: Sequence[int], make_batch: MakeBatch, sizes: Iterable[int]) -> Iterator[Batch]:
    """Batches beyond the largest of the others, of the same rows."""
    wanted = dict.fromkeys(size for size in sizes if size > len(largest.rows))
    for size in list(wanted)[:_MOST_SIZES]:
        places = [place % len(largest.rows) for place in range(size)]
        rows = tuple(largest.rows[place] for place in places)
        data_dict = _repeated(largest.data_dict, places, len(largest.rows))
        yield Batch(rows, make_batch([distinct[row] for row in rows]) if data_dict is None else data_dict)


def _repeated(values: dict[str, Any], places: Sequence[int], rows: int) -> dict[str, Any] | None:
    """The same rows again and again, without reading them again; None where a collate function made the batch."""
    made: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            inner = _repeated(value, places, rows)
            if inner is None:
                return None
            made[name] = inner
        elif type(value) in (list, np.ndarray) and len(value) == rows:
            made[name] = [value[place] for place in places] if isinstance(value, list) else value[list(places)]
        else:
            return None
    return made


def _size_bytes(values: Any) -> int:
    """About how much memory a data_dict takes."""
    if isinstance(values, dict):
        return sum(map(_size_bytes, values.values()))
    if isinstance(values, list | tuple):
        return sum(map(_size_bytes, values))
    return int(getattr(values, "nbytes", 0)) or sys.getsizeof(values)


def measure_coupling(
    plan: Plan,
    results: Sequence[Sequence[Slot]],
    crowds: Sequence[tuple[Batch, Sequence[Slot]]] = (),
    call: Call | None = None,
    read: Collection[str] | None = None,
) -> Coupling:
    """Compare what each row gave alone with what it gave in every batch, and batches of one size with one another.

    Parameters
    ----------
    plan : Plan
        What was run.
    results : sequence of sequence of ndarray or None
        The slots of each batch of the plan.
    crowds : sequence of (Batch, slots)
        What was given for larger batches.
    call : callable, optional
        The function, to find out how much of a difference is rounding.
    read : collection of str, optional
        The paths of the fields that it reads; all, where not given.
    """
    alone = {batch.rows[0]: slots for batch, slots in zip(plan.batches, results, strict=True) if len(batch.rows) == 1}
    scales = _scales(list(alone.values()))
    first_of_size: dict[tuple[int, int], Sequence[Slot]] = {}
    greatest, reasons = 0.0, dict[int, str]()

    lonely = {batch.rows[0]: batch for batch in plan.batches if len(batch.rows) == 1}
    rounding = _Rounding(call, read)
    for batch, slots in [*zip(plan.batches, results, strict=True), *crowds]:
        size = len(batch.rows)
        for position, row in enumerate(batch.rows):
            mine = [None if slot is None or not len(slot) else slot[position] for slot in slots]
            same_size = first_of_size.setdefault((size, row), mine)
            for place, one in enumerate(mine):
                for other, tolerance, bits in (
                    (_only_row(alone[row], place), _another_size(scales, place, one), ANOTHER_SIZE_BITS),
                    (same_size[place], _same_size(scales, place, one), ELSEWHERE_BITS),
                ):
                    difference, reason = _compare(other, one, tolerance)
                    greatest = max(greatest, difference)
                    if reason and place not in reasons and _are_alike(one, other):
                        noise = np.maximum(
                            rounding.of(batch, slots, place, position, bits),
                            rounding.of(lonely[row], alone[row], place, 0, bits),
                        )
                        _, reason = _compare(other, one, tolerance + noise)
                    if reason:
                        reasons.setdefault(place, f"slot {place}, batch of {size}: {reason}")
    notes = [f"rows touch one another: {reason}" for reason in reasons.values()]
    return Coupling(not reasons, greatest, tuple(notes))


def _are_alike(one: Slot, other: Slot) -> bool:
    """Whether two rows are floats of one shape, so that their difference may be rounding."""
    return one is not None and other is not None and one.dtype == other.dtype and one.shape == other.shape


class _Rounding:
    """How much of a difference is rounding, batch by batch: worked out where there is a difference to explain."""

    def __init__(self, call: Call | None, read: Collection[str] | None) -> None:
        self._call, self._read = call, read
        self._known: dict[tuple[int, int], list[Any]] = {}

    def of(self, batch: Batch, slots: Sequence[Slot], place: int, position: int, bits: int) -> Any:
        """For one row of one slot of a batch, given what the function made of it."""
        if self._call is None:
            return 0.0
        key = id(batch), bits
        if key not in self._known:
            paths = field_paths(batch.data_dict).keys() if self._read is None else self._read
            given = only_fields(batch.data_dict, set(paths))
            self._known[key] = rounding_of(self._call, given, len(batch.rows), slots, bits=bits)
        return of_row(self._known[key], place, position)


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
