"""How much of a difference is rounding: about what a few last bits of the rows themselves do to their results.

A batch of another size may add in another order. Where a result is nothing but what cancels out, as the mean of a curve
whose mean was taken off, that order is all there is to see, and the result's own size is no measure. So the rows are
shaken in their last bits: a difference of the size that this makes is rounding, provided that it is small beside the
greatest number among them. What rows do to one another is no matter of last bits.

Runs in the fresh process too (see hyrax_pack.capturing.fresh_process): numpy and the runtime are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from hyrax_runtime.input_guard import copy_input

Array = np.ndarray[Any, Any]
Slots = Sequence[Array | None]
# What the function gives for a data_dict of so many rows; None where it refuses with an error.
Call = Callable[[dict[str, Any], int], Slots | None]

_SHAKES = 6
# How many last bits to shake by, and how many times what that does is rounding. A weak shake may be rounded away before
# it reaches the result. The product is how many last bits each then stands for.
_STRENGTHS = {8: 64, 64: 8, 512: 2}
_PRODUCT = 1024
# How many last bits may differ: where rows stand elsewhere in a batch of the same size, and where it has another size,
# so that sums are made in another order.
ELSEWHERE_BITS = 64
ANOTHER_SIZE_BITS = 256
_OF_THE_ROW_ULPS = 64


def rounding_of(call: Call, data_dict: dict[str, Any], rows: int, result: Slots, *, bits: int) -> list[Any]:
    """By how much each value of each slot may differ and be rounding: arrays of the slots' shapes, or 0.0.

    Parameters
    ----------
    call : callable
        The function, on rows that it may change.
    data_dict : dict
        Some rows: only fields that count, as the greatest number among them limits what is rounding.
    rows : int
        How many.
    result : sequence of ndarray or None
        What it gives for them.
    bits : int
        How many last bits of the rows to allow for.
    """
    floats = [slot.dtype for slot in result if slot is not None and slot.dtype.kind == "f"]
    if not floats:
        return [0.0] * len(result)
    coarsest = max(float(np.finfo(dtype).eps) for dtype in floats)
    greatest = max(_greatest(data_dict), *(_greatest(slot) for slot in result))
    moved: list[Any] = [0.0] * len(result)
    for seed, (strength, times) in enumerate([*_STRENGTHS.items()] * _SHAKES):
        shaken = _call_shaken(call, data_dict, rows, coarsest * strength, seed)
        for place, (one, other) in enumerate(zip(result, shaken or (), strict=False)):
            if one is not None and other is not None and one.dtype.kind == "f" and one.shape == other.shape:
                moved[place] = np.maximum(moved[place], times * bits / _PRODUCT * _apart(one, other))
    return [
        0.0
        if slot is None or slot.dtype.kind != "f"
        else np.minimum(how_much, _OF_THE_ROW_ULPS * float(np.finfo(slot.dtype).eps) * greatest)
        for slot, how_much in zip(result, moved, strict=True)
    ]


def of_row(rounding: Sequence[Any], place: int, row: int) -> Any:
    """The part of what `rounding_of` gave that is about one row of one slot."""
    found = rounding[place]
    return found[row] if isinstance(found, np.ndarray) and found.ndim else found


def _call_shaken(call: Call, data_dict: dict[str, Any], rows: int, step: float, seed: int) -> Slots | None:
    """The result for the rows, shaken: integers as well, where the function takes them as floats."""
    for integers in (True, False):
        shaken = _shaken(copy_input(data_dict), step, np.random.default_rng(seed), integers=integers)
        if (found := call(shaken, rows)) is not None:
            return found
    return None


def _shaken(values: Any, step: float, random: np.random.Generator, *, integers: bool) -> Any:
    if isinstance(values, dict):
        return {key: _shaken(value, step, random, integers=integers) for key, value in values.items()}
    if type(values) is list:
        return [_shaken(value, step, random, integers=integers) for value in values]
    numbers = np.asarray(values)
    if numbers.dtype.kind in "iu" and integers:
        numbers = numbers.astype(np.float64)
    if numbers.dtype.kind != "f":
        return values
    with np.errstate(all="ignore"):
        least = float(np.finfo(numbers.dtype).eps)
        moved = (numbers * (1 + max(step, least) * random.choice([-1.0, 1.0], numbers.shape))).astype(numbers.dtype)
    return moved if isinstance(values, np.ndarray) else moved[()]


def _apart(one: Array, other: Array) -> Array:
    with np.errstate(all="ignore"):
        apart = np.abs(one.astype(np.float64) - other.astype(np.float64))
    return np.where(np.isfinite(apart), apart, 0.0)


def _greatest(values: Any) -> float:
    """The greatest finite magnitude among numbers, all the way down."""
    return max((float(size) for size in _magnitudes(values)), default=0.0)


def _magnitudes(values: Any) -> Iterator[float]:
    if isinstance(values, dict):
        for value in values.values():
            yield from _magnitudes(value)
    elif type(values) is list:
        for value in values:
            yield from _magnitudes(value)
    elif values is not None:
        numbers = np.asarray(values)
        if numbers.dtype.kind in "iuf":
            sizes = np.abs(numbers.astype(np.float64))
            yield float(sizes[np.isfinite(sizes)].max(initial=0.0))
