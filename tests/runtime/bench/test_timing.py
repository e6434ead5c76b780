from __future__ import annotations

from collections.abc import Callable

import pytest
from hyrax_runtime.benching import timing


class Clock:
    """Time that passes only where a call says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def call_of(self, *seconds: float) -> Callable[[], None]:
        """A call that takes the given times, one after the other, over and over."""
        count = 0

        def call() -> None:
            nonlocal count
            self.now += seconds[count % len(seconds)]
            count += 1

        return call


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(timing, "time", made)
    return made


def test_the_least_time_of_each_call_is_found(clock: Clock) -> None:
    slow, quick = clock.call_of(5.0, 3.0, 4.0), clock.call_of(2.0, 1.0)
    assert timing.least_times([slow, quick], 60.0) == [3.0, 1.0]


def test_a_call_longer_than_the_time_given_is_measured_all_the_same(clock: Clock) -> None:
    assert timing.least_times([clock.call_of(100.0)], 1.0) == [100.0]


def test_short_calls_are_timed_many_at_once(clock: Clock) -> None:
    (least,) = timing.least_times([clock.call_of(0.001)], 1.0)
    assert least == pytest.approx(0.001)
    assert clock.now == pytest.approx(1.0, abs=0.1)


def test_calls_take_turns(clock: Clock) -> None:
    order: list[str] = []

    def call_of(name: str) -> Callable[[], None]:
        def call() -> None:
            order.append(name)
            clock.now += 10.0

        return call

    timing.least_times([call_of("a"), call_of("b")], 1.0)
    assert "".join(order[-6:]) == "ababab"
