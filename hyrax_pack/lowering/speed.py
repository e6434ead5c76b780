"""Which is quicker on this machine: replaying the function, or its graph? Measured in turn, so that both meet the same
weather.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from hyrax_runtime.contract import InputContract
from hyrax_runtime.replay import as_slots
from hyrax_runtime.session import open_session

from hyrax_pack.lowering.lowered import Lowered
from hyrax_pack.lowering.proving.samples import gather_samples

ROWS = 64
_TURNS = 15
_LEAST_S = 0.002


@dataclass(frozen=True)
class Speed:
    """Microseconds per row, medians over turns, for batches of `rows`."""

    rows: int
    replay_us: float
    lowered_us: float

    @property
    def ratio(self) -> float:
        """The lowered form's time as a share of the replayed form's."""
        return self.lowered_us / self.replay_us

    @property
    def preferred(self) -> Literal["replay", "lowered"]:
        """The quicker form; the lowered one where they are alike."""
        return "lowered" if self.lowered_us <= self.replay_us else "replay"


def measure_speed(
    lowered: Lowered,
    function: Callable[[Any], Any],
    *,
    contract: InputContract,
    examples: Iterable[Mapping[str, Any]],
    network: bytes | None = None,
    fused: bytes | None = None,
    weights: memoryview | None = None,
    rows: int = ROWS,
) -> Speed:
    """Time both forms on batches of real rows.

    Parameters
    ----------
    function : callable
        `to_tensor` as it is replayed.
    network, fused : bytes, optional
        With both given, the network is part of both forms: the function and then the network, against the fused graph.
    weights : memoryview, optional
        The content of weights.bin.
    """
    samples = gather_samples(contract, list(examples))
    columns = samples.draw(rows, np.random.default_rng(0))
    data_dict = samples.data_dict(columns)
    feeds = {one.name: columns[one.name] for one in lowered.inputs}
    if network is not None and fused is not None:
        whole, last = open_session(fused, weights), open_session(network, weights)

        def replay() -> Any:
            slots = as_slots(function(data_dict), rows=rows).slots
            return last.run({one.name: slots[one.place] for one in lowered.outputs})  # type: ignore[misc]

    else:
        whole = open_session(lowered.model, None)

        def replay() -> Any:
            return as_slots(function(data_dict), rows=rows)

    times = _in_turns(replay, lambda: whole.run(feeds))
    return Speed(rows, *(one / rows * 1e6 for one in times))


def _in_turns(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[float, float]:
    """Return the median seconds per call of both, each turn long enough for the clock."""
    counts = [_repeats(one) for one in (first, second)]
    turns: tuple[list[float], list[float]] = ([], [])
    for _ in range(_TURNS):
        for call, count, found in zip((first, second), counts, turns, strict=True):
            start = time.perf_counter()
            for _ in range(count):
                call()
            found.append((time.perf_counter() - start) / count)
    return statistics.median(turns[0]), statistics.median(turns[1])


def _repeats(call: Callable[[], Any]) -> int:
    call()
    start = time.perf_counter()
    call()
    return max(1, int(_LEAST_S / max(time.perf_counter() - start, 1e-9)))
