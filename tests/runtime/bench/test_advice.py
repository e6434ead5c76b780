from __future__ import annotations

import pytest
from hyrax_runtime.benching.advice import advise, advised_rate

from tests.runtime.bench.given import figures, rate, start


def line_for(setting: str, lines: tuple[str, ...]) -> str:
    (line,) = [line for line in lines if line.startswith(setting)]
    return line


def test_the_fewest_threads_and_the_smallest_batch_that_come_near_the_best_are_advised() -> None:
    best = advised_rate([rate(1, 64, 960), rate(1, 256, 990), rate(2, 64, 1000), rate(1, 8, 900)])
    assert (best.threads, best.batch) == (1, 64)


def test_threads_that_gain_little_are_for_one_stream_and_processes_for_many() -> None:
    line = line_for("threads=2", advise(figures()))
    assert "1.5 times" in line
    assert "4 processes with threads=1" in line


def test_threads_that_scale_need_no_processes() -> None:
    line = line_for("threads=2", advise(figures(rates=(rate(1, 64, 10_000), rate(2, 64, 19_000)))))
    assert "1.9 times" in line
    assert "processes" not in line


def test_one_thread_is_advised_where_more_do_not_help() -> None:
    line = line_for("threads=1", advise(figures(rates=(rate(1, 64, 10_000), rate(2, 64, 10_100), rate(4, 64, 9_000)))))
    assert "up to 4" in line
    assert "processes" in line


@pytest.mark.parametrize(
    "rates", [(rate(None, 1, 10),), (rate(2, 1, 10), rate(2, 64, 20))], ids=["a GPU", "one count asked for"]
)
def test_where_no_threads_were_compared_none_are_advised(rates: tuple[object, ...]) -> None:
    assert not [line for line in advise(figures(rates=rates, modes=())) if line.startswith("threads")]


def test_the_batch_comes_with_its_gain_and_its_wait() -> None:
    line = line_for("batch=64", advise(figures()))
    assert "16.7 times the rows/s of batch 1" in line
    assert "4.3 ms" in line


def test_a_batch_of_one_is_advised_where_larger_ones_do_not_help() -> None:
    line = line_for("batch=1:", advise(figures(rates=(rate(1, 1, 10_000), rate(1, 64, 10_100)))))
    assert "100 us" in line


def test_no_batch_is_advised_where_rows_belong_together() -> None:
    line = line_for("batch:", advise(figures(batches="joint")))
    assert "belong together" in line


def test_fast_memory_is_advised_where_shared_costs_rows_with_what_shared_would_save() -> None:
    line = line_for("memory=fast", advise(figures()))
    assert "0.50 times" in line
    assert "795 ms sooner" in line
    assert "517 MB less" in line


def test_shared_memory_is_advised_where_it_costs_nothing() -> None:
    modes = (rate(1, 64, 10_000), rate(1, 64, 9_900, memory="shared"))
    line = line_for("memory=shared", advise(figures(modes=modes)))
    assert "0.99 times" in line
    assert "opens in 5 ms" in line


def test_memory_that_the_system_does_not_tell_is_not_spoken_of() -> None:
    starts = (start("fast", 800.0, None), start("shared", 5.0, None))
    assert "MB" not in line_for("memory=fast", advise(figures(cold_starts=starts)))


def test_where_one_mode_was_measured_no_memory_is_advised() -> None:
    lines = advise(figures(modes=(), cold_starts=(start("fast", 1.0, 1.0),)))
    assert not [line for line in lines if line.startswith("memory")]


def test_a_stream_is_advised_where_it_was_measured_to_be_quicker() -> None:
    assert "1.6 times the rows/s of predict at batch 64" in line_for("stream", advise(figures(stream_gain=1.62)))


@pytest.mark.parametrize("gain", [None, 0.4, 1.05], ids=["nothing overlaps", "slower", "hardly quicker"])
def test_no_stream_is_advised_where_it_gains_nothing(gain: float | None) -> None:
    assert not [line for line in advise(figures(stream_gain=gain)) if line.startswith("stream")]
