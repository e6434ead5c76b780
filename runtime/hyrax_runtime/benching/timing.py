"""Time calls against one another: in turn, round by round, so that what else the machine does weighs on all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

LEAST_ROUNDS = 3
ROUNDS = 60  # rounds of a few ms: on a busy machine some of them pass undisturbed, as longer ones never would
MOST_CALLS = 2000  # in one round


def least_times(calls: Sequence[Callable[[], Any]], seconds: float) -> list[float]:
    """Return the least seconds that one call of each took, in about `seconds` together and three rounds at least."""
    repeats = [_repeats(call, seconds / ROUNDS / len(calls)) for call in calls]
    least = [float("inf")] * len(calls)
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < LEAST_ROUNDS or time.perf_counter() < end:
        for place, (call, times) in enumerate(zip(calls, repeats, strict=True)):
            least[place] = min(least[place], _seconds(call, times))
        rounds += 1
    return least


def _repeats(call: Callable[[], Any], seconds: float) -> int:
    """Warm the call up, and return how many fill `seconds`."""
    call()
    taken = max(_seconds(call, 1), 1e-7)
    return min(MOST_CALLS, max(1, int(seconds / taken)))


def _seconds(call: Callable[[], Any], times: int) -> float:
    repeated = range(times)
    start = time.perf_counter()
    for _ in repeated:
        call()
    return (time.perf_counter() - start) / times
