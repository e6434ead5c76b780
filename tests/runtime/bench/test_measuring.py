from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hyrax_runtime.benching import measuring
from hyrax_runtime.benching.cold_start import least_starts, split_start
from hyrax_runtime.benching.figures import Figures, Rate
from hyrax_runtime.benching.measuring import measure_machine, thread_counts
from hyrax_runtime.errors import MeasureError, RunError, UntrustedError, UsageError
from hyrax_runtime.settings import Settings

from tests.runtime.bench.conftest import BRIEF, pin

ONE_THREAD = Settings(threads=1)
CHEAP = Settings(threads=1, memory="fast")


def positive(rate: Rate) -> bool:
    return all(math.isfinite(value) and value > 0 for value in (rate.rows_per_s, rate.onnxruntime_rows_per_s))


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def measured(features_bundle: Path, said: list[str]) -> Figures:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "count_cores", lambda: 2)
        return measure_machine(features_bundle, Settings(), pin(features_bundle), BRIEF, said.append)


def test_every_batch_is_measured_with_every_number_of_threads(measured: Figures) -> None:
    assert [(rate.threads, rate.batch) for rate in measured.rates] == list(product((1, 2), (1, 3)))
    assert all(map(positive, measured.rates))


def test_both_memory_modes_are_compared_on_the_smallest_batch_and_the_quickest(measured: Figures) -> None:
    best = max(measured.rates, key=lambda rate: rate.rows_per_s)
    sizes = sorted({1, best.batch})
    assert [(rate.memory, rate.batch) for rate in measured.modes] == [
        (memory, size) for size in sizes for memory in ("fast", "shared")
    ]
    assert all(map(positive, measured.modes))


def test_a_cold_start_is_split_into_steps_that_each_take_time(measured: Figures) -> None:
    assert [start.memory for start in measured.cold_starts] == ["fast", "shared"]
    for start in measured.cold_starts:
        steps = (start.process_ms, start.imports_ms, start.open_ms, start.session_ms, start.first_call_ms)
        assert min(steps) > 0
        assert start.total_ms == pytest.approx(sum(steps))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process's private memory")
def test_a_cold_start_comes_with_its_memory(measured: Figures) -> None:
    for start in measured.cold_starts:
        assert start.private_mb and start.peak_mb and start.private_mb < start.peak_mb


def test_one_call_is_split_into_to_tensor_onnxruntime_and_what_is_around_them(measured: Figures) -> None:
    call = measured.one_call
    assert call.to_tensor_us is not None
    assert min(call.predict_us, call.onnxruntime_us, call.to_tensor_us) > 0
    assert call.predict_us == pytest.approx(call.onnxruntime_us + call.to_tensor_us + call.around_us)
    assert (call.rows, call.threads) == (1, 1)


def test_the_stream_is_measured_where_to_tensor_runs_beside_the_graph(measured: Figures) -> None:
    assert measured.stream_gain is not None and measured.stream_gain > 0


def test_the_figures_are_plain_json(measured: Figures) -> None:
    plain = json.loads(json.dumps(measured.to_plain(), allow_nan=False))
    assert plain["bundle"] == measured.bundle
    assert plain["rates"][0].keys() == {"memory", "threads", "batch", "rows_per_s", "onnxruntime_rows_per_s"}
    assert plain["cold_starts"][0]["total_ms"] == measured.cold_starts[0].total_ms
    assert plain["one_call"]["around_us"] == measured.one_call.around_us
    assert plain["here"]["onnxruntime"] == measured.here["onnxruntime"]


def test_each_measurement_is_announced(measured: Figures, said: list[str]) -> None:
    assert said == [
        "opening", "cold start", "one call", "rows/s with 1 thread", "rows/s with 2 threads", "memory modes", "stream"
    ]  # fmt: skip


def test_threads_and_memory_that_are_asked_for_are_the_only_ones(features_bundle: Path) -> None:
    settings = Settings(threads=1, memory="shared")
    found = measure_machine(features_bundle, settings, pin(features_bundle), BRIEF)
    assert {(rate.threads, rate.memory) for rate in found.rates} == {(1, "shared")}
    assert [start.memory for start in found.cold_starts] == ["shared"]
    assert found.modes == ()


def test_weights_in_the_graph_leave_one_memory_mode_and_a_note(inline_bundle: Path) -> None:
    found = measure_machine(inline_bundle, ONE_THREAD, pin(inline_bundle), BRIEF)
    assert found.modes == ()
    assert [note for note in found.notes if "memory modes are one" in note]


def test_a_fused_bundle_has_no_to_tensor_beside_its_graph_and_needs_no_trust(fused_bundle: Path) -> None:
    found = measure_machine(fused_bundle, CHEAP, None, BRIEF)
    assert found.lowered
    assert found.one_call.to_tensor_us is None


def test_a_batch_of_rows_that_belong_together_is_never_cut_or_grown(joint_bundle: Path) -> None:
    found = measure_machine(joint_bundle, CHEAP, pin(joint_bundle), BRIEF)
    assert [rate.batch for rate in found.rates] == [8]
    assert found.one_call.rows == 8


def test_batches_whose_call_would_take_too_long_are_left_out_with_a_note(features_bundle: Path) -> None:
    found = measure_machine(features_bundle, CHEAP, pin(features_bundle), replace(BRIEF, longest_call_s=0.0))
    assert [rate.batch for rate in found.rates] == [1]
    assert [note for note in found.notes if note.startswith("batch 3 and up left out with 1 thread")]


def test_batches_too_large_for_memory_are_not_made(features_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "MOST_BATCH_BYTES", 100)
    found = measure_machine(features_bundle, CHEAP, pin(features_bundle), BRIEF)
    assert [rate.batch for rate in found.rates] == [1]


def test_a_batch_that_the_device_refuses_ends_the_row_and_not_the_run(
    features_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = measuring._Measurement._compared

    def with_little_memory(self: Any, predictors: Any, rows: int) -> list[Rate]:
        if rows > 1:
            raise RunError("CUDAExecutionProvider failed while running the graph: out of memory")
        return compared(self, predictors, rows)

    monkeypatch.setattr(measuring._Measurement, "_compared", with_little_memory)
    found = measure_machine(features_bundle, CHEAP, pin(features_bundle), BRIEF)
    assert [rate.batch for rate in found.rates] == [1]
    assert [note for note in found.notes if note.endswith("out of memory")]


def test_what_onnxruntime_alone_raises_is_an_error_of_ours(
    features_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(calls: Any, seconds: float) -> list[float]:
        raise RuntimeError("Failed to allocate memory\nand a page of frames")

    monkeypatch.setattr(measuring, "least_times", out_of_memory)
    with pytest.raises(RunError, match=r"alone failed: Failed to allocate memory$"):
        measure_machine(features_bundle, CHEAP, pin(features_bundle), BRIEF)


def test_a_busy_machine_is_noted(features_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_load_average", lambda: 1e3)
    found = measure_machine(features_bundle, CHEAP, pin(features_bundle), BRIEF)
    assert "the machine was busy" in found.notes[0]


def test_a_bundle_that_nobody_trusts_is_not_run(features_bundle: Path) -> None:
    with pytest.raises(UntrustedError, match="hyrax-run trust"):
        measure_machine(features_bundle, CHEAP, None, BRIEF)


@pytest.mark.parametrize(
    "settings",
    [Settings(threads=0), Settings(memory="quick"), Settings(device="gpu")],
    ids=["threads", "memory", "device"],
)
def test_a_setting_that_does_not_exist_is_wrong_usage(features_bundle: Path, settings: Settings) -> None:
    with pytest.raises(UsageError):
        measure_machine(features_bundle, settings, pin(features_bundle), BRIEF)


@pytest.mark.parametrize(
    ("cores", "counts"), [(1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (8, (1, 2, 4, 8)), (12, (1, 2, 4, 8, 12))]
)
def test_thread_counts_double_up_to_the_cores(cores: int, counts: tuple[int, ...]) -> None:
    assert thread_counts(cores) == counts


def test_making_rows_is_no_part_of_a_cold_start() -> None:
    marks = [1_000_000, 3_000_000, 6_000_000, 10_000_000, 90_000_000, 95_000_000]
    start = split_start("fast", 0, {"marks_ns": marks, "private_mb": None, "peak_mb": None})
    steps = (start.process_ms, start.imports_ms, start.open_ms, start.session_ms, start.first_call_ms)
    assert steps == (1, 2, 3, 4, 5)


def test_a_process_that_fails_to_start_is_an_error_with_its_last_words(features_bundle: Path) -> None:
    with pytest.raises(MeasureError, match=r"ended with 1: .*PinError") as caught:
        least_starts(features_bundle, "sha256:" + "0" * 64, Settings(), ["fast"], 1)
    assert "\n" not in str(caught.value)


def test_a_process_that_tells_nothing_is_an_error(
    features_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = tmp_path / "mute.py"
    mute.write_text("print('no times here')")
    monkeypatch.setattr("hyrax_runtime.benching.cold_start.CHILD", mute)
    with pytest.raises(MeasureError, match="gave no times"):
        least_starts(features_bundle, pin(features_bundle), Settings(), ["fast"], 1)
