"""What torch took for granted about free dimensions while it traced: each is tried where it does not hold.

A branch on `x.shape[1] > 100` goes the way of the sample in the graph, and the rows of the data may never show it. So
batches are made for which the assumption is false: of more rows, or of longer or shorter ones. The gate then holds the
graph against the model there too.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import CodeType
from typing import Any

import numpy as np
from hyrax_runtime.contract import BATCH_AXIS

from hyrax_pack.exporting.measuring import Measured
from hyrax_pack.exporting.noise import answer_trials, measure_noise
from hyrax_pack.exporting.slots import Layout, Slots, row_count, take
from hyrax_pack.exporting.tracing import guards_in
from hyrax_pack.exporting.trials import Trial
from hyrax_pack.exporting.watching import UserCode

# A batch of more bytes than this is not tried, and the export says so.
MOST_BYTES = 16 << 20
_DENSE = 4200
_FAR = (5001, 8193, 10_001, 16_385, 32_769, 50_001, 65_537, 100_001)
_FEW = (1, 2, 3, 4, 5, 8, 16, 17, 32, 64, 101, 128, 129, 257, 513, 1025, 4097)  # of each, where several are multiplied
_SYMBOL = re.compile(
    r"create_symbol (?P<symbol>s\d+) = \d+ for L\['tensors'\]\[(?P<input>\d+)\]\.size\(\)\[(?P<axis>\d+)\]"
)
_NAMES = {
    "Eq": lambda a, b: a == b, "Ne": lambda a, b: a != b, "Mod": lambda a, b: a % b, "PythonMod": lambda a, b: a % b,
    "FloorDiv": lambda a, b: a // b, "CleanDiv": lambda a, b: a // b, "Max": max, "Min": min, "Abs": abs,
    "And": lambda *each: all(each), "Or": lambda *each: any(each), "Not": lambda one: not one,
}  # fmt: skip


@dataclass(frozen=True)
class Guard:
    """One assumption: what torch wrote, the user's line, and the dimensions that it is about."""

    text: str
    line: str
    dims: Mapping[str, str]  # torch's symbol -> the dimension's name in the layout

    def sizes_that_break_it(self) -> dict[str, int] | None:
        """Return sizes of the dimensions for which it is false; None where there are none within reach."""
        try:
            code = compile(self.text, "guard", "eval")
        except SyntaxError:
            return None
        names = sorted(set(self.dims.values()))
        for sizes in _candidates(len(names)):
            chosen = dict(zip(names, sizes, strict=True))
            if self._is_false(code, {symbol: chosen[name] for symbol, name in self.dims.items()}):
                return chosen
        return None

    def _is_false(self, code: CodeType, symbols: Mapping[str, int]) -> bool:
        with UserCode():  # an operator that is not in the table: nothing is known
            return not eval(code, {"__builtins__": {}, **_NAMES, **symbols})
        return False

    def __str__(self) -> str:
        named = self.text
        for symbol, name in self.dims.items():
            named = re.sub(rf"\b{symbol}\b", name, named)
        return f"{named} ({self.line})"


def beyond_guards(measured: Measured[Any], heard: Sequence[str]) -> tuple[Measured[Any], tuple[str, ...]]:
    """Add batches for which torch's assumptions do not hold, with the model's answers; and say what was not tried."""
    trials: dict[str, Trial] = {}
    guards: dict[str, Guard] = {}
    notes = []
    pool = measured.answers[0].trial
    for guard in guards_of(measured, heard):
        sizes = guard.sizes_that_break_it()
        if sizes is None:
            continue
        trial = _trial(measured.layout, pool, sizes)
        if trial is None:
            notes.append(f"the model takes another way where not {guard}: too large a batch to be tried")
        else:
            trials.setdefault(trial.label, trial)
            guards.setdefault(trial.label, guard)
    answers = answer_trials(measured.reference, list(trials.values()))
    answered = {answer.trial.label for answer in answers}
    notes += [f"the model refuses a batch of {label}: {guards[label]}" for label in trials if label not in answered]
    if not answers:
        return measured, tuple(notes)
    noise, every = measured.noise, (*measured.answers, *answers)
    with UserCode():  # float64 takes more memory
        if noise.reference == "float64":  # longer rows have more rounding in them
            wide = [replace(each, wide=measured.reference.run(each.trial.slots, wide=True)) for each in answers]
            every = (*measured.answers, *wide)
            noise = measure_noise(measured.reference, every, noise.reason)
    return replace(measured, answers=every, noise=noise), tuple(notes)


def guards_of(measured: Measured[Any], heard: Sequence[str]) -> Iterator[Guard]:
    """Find the assumptions made at the user's lines."""
    if not any("[guard added]" in message for message in heard):
        return
    dims = _dims(measured.layout, heard)
    for guard in guards_in(heard, measured.reference.watch(measured.answers[0].trial.slots).files):
        text, _, line = guard.rpartition(" at ")
        symbols = set(re.findall(r"\bs\d+\b", text))
        if symbols and symbols <= dims.keys():
            yield Guard(text, line, {symbol: dims[symbol] for symbol in symbols})


def _dims(layout: Layout, heard: Sequence[str]) -> dict[str, str]:
    """torch's symbols, by the names of the dimensions that they stand for."""
    found = {}
    inputs = layout.inputs
    for message in heard:
        match = _SYMBOL.match(message)
        if match is not None:
            found[match["symbol"]] = str(inputs[int(match["input"])][1].shape[int(match["axis"])])
    return found


def _candidates(count: int) -> Iterator[tuple[int, ...]]:
    if count == 1:
        yield from ((size,) for size in (*range(1, _DENSE), *_FAR))
    else:
        yield from itertools.product(_FEW, repeat=count)


def _trial(layout: Layout, pool: Trial, sizes: Mapping[str, int]) -> Trial | None:
    """Rows of the pool, as many as asked for, and as long: repeated or cut off; None where they would be too large."""
    rows = sizes.get(BATCH_AXIS, min(pool.size, 3))
    places = tuple(at % pool.size for at in range(rows))
    size_bytes = sum(slot.nbytes for slot in pool.slots if slot is not None) / pool.size * rows
    lengths = {name: size for name, size in sizes.items() if name != BATCH_AXIS}
    if size_bytes * max([1, *lengths.values()]) / max(1, _longest(layout, pool.slots, lengths)) > MOST_BYTES:
        return None
    slots = take(pool.slots, places)
    if not lengths:
        return Trial(f"{rows} rows", slots, places, made_up=True)
    for place, slot in layout.inputs:
        for axis, dim in enumerate(slot.shape):
            if dim in lengths:
                slots = (*slots[:place], _of_length(slots[place], axis, lengths[str(dim)]), *slots[place + 1 :])
    said = ", ".join(f"{name} = {size}" for name, size in lengths.items())
    return Trial(f"{row_count(slots)} rows with {said}", slots, made_up=True)


def _longest(layout: Layout, slots: Slots, lengths: Mapping[str, int]) -> int:
    return max(
        (
            slots[place].shape[axis]  # type: ignore[union-attr]
            for place, slot in layout.inputs
            for axis, dim in enumerate(slot.shape)
            if dim in lengths
        ),
        default=1,
    )


def _of_length(slot: Any, axis: int, length: int) -> Any:
    return np.take(slot, np.arange(length) % max(1, slot.shape[axis]), axis=axis)
