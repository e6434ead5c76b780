"""Time calls one after the other, round by round, so that what else the machine does weighs on all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One comparison: what was measured, in which unit, and what it must reach."""

    name: str
    value: float
    unit: str
    must: str
    reached: bool
    detail: str


def seconds(call: Callable[[], Any], times: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def interleaved(calls: Sequence[Callable[[], Any]], rounds: int, times: int) -> list[list[float]]:
    """Time each call `times` times, `rounds` times over, one after the other."""
    for call in calls:
        seconds(call, max(1, times // 10))
    found: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, taken in zip(calls, found, strict=True):
            taken.append(seconds(call, times))
    return found


def ratio(ours: Sequence[float], bare: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, bare, strict=True))
