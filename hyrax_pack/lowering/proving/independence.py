"""Does a row give the same alone as among others? Asked of the function itself, whatever form it travels in.

Ordinary rows in batches of several sizes, the text's own numbers among them (what is done from the 512th row on shows
in a batch of 513), and rows under stress in company: a rule that one bad row sets off for all shows where there is one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.lowering.proving.calling import Function, FunctionRaised, Tensors, call_original
from hyrax_pack.lowering.proving.comparing import TOLERANCE, find_difference
from hyrax_pack.lowering.proving.limiting import Beat, TookTooLong, patience_s, within_limits
from hyrax_pack.lowering.proving.noise import Noise, ShakenFunction, measure_noise
from hyrax_pack.lowering.proving.samples import Columns, Generator, Samples, row_bytes, rows_within, take_rows
from hyrax_pack.lowering.proving.stress import stress_columns

SIZES = (2, 3, 17)
_LARGEST, _MOST_ROWS, _MOST_BYTES = 4200, 8000, 16 << 20
_ASKED, _STRESSED, _STRESSED_LEAST, _STRESSED_BYTES = 8, 48, 6, 1 << 20


def find_coupling(
    function: Function, shaken: ShakenFunction, samples: Samples, paths: Sequence[str], *, seed: int = 1
) -> str | None:
    """Compare rows among others with what the function gives for them alone; say where they differ, or None.

    Parameters
    ----------
    paths : sequence of str
        The fields to put under stress.
    """
    try:
        return within_limits(lambda beat: _first_of_all(function, shaken, samples, paths, seed, beat))
    except TookTooLong:
        return None  # it goes on for ever with some values: no more is asked of it


def _first_of_all(
    function: Function, shaken: ShakenFunction, samples: Samples, paths: Sequence[str], seed: int, beat: Beat
) -> str | None:
    """Say how the first row of all companies that differs from itself alone does so; None where none does."""
    random = np.random.default_rng(seed)
    slowest_s = 0.0  # a row
    for columns, rows in _companies(samples, list(paths), random):
        size = len(next(iter(columns.values()))) + len(rows)
        began = time.monotonic()
        beat(patience_s(slowest_s, size))
        try:
            words = _first_apart(function, shaken, samples, columns, rows)
        except FunctionRaised:
            continue  # for a row that it raises for alone, too; for ordinary rows the gate says so
        if words is not None:
            return words
        slowest_s = max(slowest_s, (time.monotonic() - began) / size)
    return None


def _first_apart(
    function: Function, shaken: ShakenFunction, samples: Samples, columns: Columns, rows: Sequence[int]
) -> str | None:
    """Say how the first row that differs from itself alone does so; None where none does."""
    together = call_original(function, samples, columns)
    found = (_apart(function, shaken, samples, columns, together, row) for row in rows)
    return next((words for words in found if words is not None), None)


def _companies(samples: Samples, paths: list[str], random: Generator) -> Iterator[tuple[Columns, list[int]]]:
    """Yield batches, and the rows of each that are asked for alone."""
    for size in [*SIZES, *_telling_sizes(samples)]:
        yield samples.draw(size, random), sorted({*range(min(size, _ASKED // 2)), *range(max(0, size - 4), size)})
    stressed = stress_columns(samples, paths, random)
    count = min(rows_within(samples, _STRESSED_BYTES, _STRESSED_LEAST, _STRESSED), len(next(iter(stressed.values()))))
    company = samples.draw(3, random)
    for row in range(count):
        batch = {path: np.concatenate([column, stressed[path][row : row + 1]]) for path, column in company.items()}
        yield batch, [0, 3]


def _telling_sizes(samples: Samples) -> list[int]:
    """Return the sizes just above and at the text's own numbers, as far as there is room."""
    most = min(_LARGEST, _MOST_BYTES // row_bytes(samples))
    whole = {int(number) for number in samples.literals if number == int(number)} if samples.literals else set()
    sizes = sorted({number + step for number in whole for step in (0, 1) if 1 < number + step <= most})
    kept: list[int] = []
    for size in sizes:
        if sum(kept) + size <= _MOST_ROWS:
            kept.append(size)
    return kept


def _apart(
    function: Function, shaken: ShakenFunction, samples: Samples, columns: Columns, together: Tensors, row: int
) -> str | None:
    """Say how a row differs from itself alone; None where it does not."""
    size = len(next(iter(columns.values())))
    where = f"row {row} of {size}"
    one, samples = take_rows(columns, slice(row, row + 1)), samples.beginning_at(row)
    try:
        alone = call_original(function, samples, one)
    except FunctionRaised as error:
        return f"it raises for a row alone that passes among others: {error}"
    for place, (whole, single) in enumerate(zip(together, alone, strict=False)):
        if whole is None or single is None or not len(whole) or not len(single):
            continue
        if (
            whole.dtype != single.dtype
        ):  # as of Python integers beyond 64 bits; another than recorded is refused at predict
            continue
        if whole.shape[1:] != single.shape[1:]:
            return f"{where} has another shape alone than among others in slot {place}"
        if _differs(shaken, samples, one, alone, place, whole[row : row + 1]):
            return f"{where} gives other values alone than among others in slot {place}"
    return None


def _differs(
    shaken: ShakenFunction, samples: Samples, one: Columns, alone: Tensors, place: int, got: NDArray[np.generic]
) -> bool:
    """Whether a row's results differ by more than rounding explains."""
    wanted = alone[place]
    if wanted is None:
        return False
    relative = TOLERANCE.get(wanted.dtype, 0.0)
    if find_difference(wanted, got, relative) is None:
        return False

    def differs(noise: Noise) -> bool:
        return find_difference(wanted, got, relative, noise[place]) is not None

    return differs(measure_noise(shaken, samples, one, alone, lambda noise: not differs(noise)))
