"""Batches in a row: order kept, little held, errors in their place; threads, processes and the watch beside it."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hyrax_runtime as hr
import numpy as np
import pytest
from hyrax_runtime.contract import InputContract
from hyrax_runtime.errors import (
    BatchError,
    FieldsError,
    ManifestError,
    OtherBundleError,
    Problem,
    ReplayError,
    TextError,
    UsageError,
)
from hyrax_runtime.streaming import Step, run_overlapped

from tests.runtime.predict import forging

Pin = Callable[[Path], str]


@pytest.fixture(scope="module")
def predictor(sources_bundle: Path, pin: Pin) -> hr.Predictor:
    return hr.load(sources_bundle, trust=pin(sources_bundle), threads=1)


def batches(sizes: list[int]) -> list[dict[str, Any]]:
    return [forging.sources(size, seed=number) for number, size in enumerate(sizes)]


@pytest.mark.parametrize("max_batch", [None, 3])
@pytest.mark.parametrize("on_error", ["raise", "mask"])
def test_a_stream_gives_what_one_call_after_another_gives(
    predictor: hr.Predictor, max_batch: int | None, on_error: Any
) -> None:
    given = batches([4, 1, 0, 9, 2])
    streamed = list(predictor.stream(iter(given), max_batch=max_batch, on_error=on_error))
    assert [len(outputs["scores"]) for outputs in streamed] == [4, 1, 0, 9, 2]
    for batch, outputs in zip(given, streamed, strict=True):
        wanted = predictor.predict(batch)
        np.testing.assert_allclose(outputs["scores"], wanted["scores"], rtol=1e-6, atol=1e-6)
        assert outputs.object_id == wanted.object_id


def test_a_stream_of_nothing_is_nothing(predictor: hr.Predictor) -> None:
    assert list(predictor.stream([])) == []


def test_masked_rows_stay_in_their_batch(predictor: hr.Predictor) -> None:
    given = batches([4, 5, 3])
    given[1]["data"]["survey"][2] = "unknown"
    given[2]["data"]["flux"][0] = np.zeros(7, "f4")
    streamed = list(predictor.stream(given, on_error="mask"))
    assert [list(outputs.errors) for outputs in streamed] == [[], [2], [0]]
    assert np.isnan(streamed[1]["scores"][2]).all() and np.isfinite(streamed[1]["scores"][[0, 1, 3, 4]]).all()


@pytest.mark.parametrize(("spoil", "kind"), [("survey", ReplayError), ("flux", FieldsError)])
def test_an_error_carries_its_batch_and_comes_after_what_was_before_it(
    predictor: hr.Predictor, spoil: str, kind: type[hr.HyraxError]
) -> None:
    given = batches([3, 3, 3, 3])
    given[2]["data"][spoil][1] = "unknown" if spoil == "survey" else np.zeros(9, "f4")
    taken = []
    with pytest.raises(kind) as caught:
        taken.extend(predictor.stream(given))
    assert [len(outputs["best"]) for outputs in taken] == [3, 3]
    assert caught.value.batch == 2 and str(caught.value).startswith("batch 2: ")


def test_an_error_of_the_source_comes_after_what_was_before_it(predictor: hr.Predictor) -> None:
    def source() -> Iterator[dict[str, Any]]:
        yield forging.sources(2)
        raise OSError("the disk went away")

    stream = predictor.stream(source())
    assert len(next(stream)["scores"]) == 2
    with pytest.raises(OSError, match="went away"):
        next(stream)


def test_what_is_thrown_into_a_stream_comes_out_and_nothing_comes_twice(predictor: hr.Predictor) -> None:
    stream: Any = predictor.stream(batches([1, 2, 3]))
    assert len(next(stream)["scores"]) == 1
    with pytest.raises(KeyError, match="thrown"):
        stream.throw(KeyError("thrown"))
    assert list(stream) == []


@pytest.mark.parametrize("form", ["list", "stacked"])
def test_a_source_that_fills_one_buffer_again_and_again_is_streamed_right(tmp_path: Path, pin: Pin, form: str) -> None:
    """to_tensor hands the caller's memory on here, and the graph reads it while the next batch is made."""
    contract = InputContract((forging.field("data/image", shape=(3, 63, 63), form=form),), "independent")
    text = "def to_tensor(data_dict):\n    image = data_dict['data']['image']\n    return image[0][None]\n"
    if form == "stacked":
        text = text.replace("[0][None]", "[:]")
    random = np.random.default_rng(0)
    golden = {"data": {"image": random.random((1, 3, 63, 63), dtype="f4")}}
    path = forging.forge(tmp_path / "passing.hyrax", contract, text, forging.convolutional(), golden)
    predictor = hr.load(path, trust=pin(path), threads=1)
    buffer, ids = np.empty((1, 3, 63, 63), "f4"), [0]
    given = random.random((60, 1, 3, 63, 63), dtype="f4")

    def source() -> Iterator[dict[str, Any]]:
        for number, values in enumerate(given):
            buffer[:], ids[0] = values, number
            yield {"data": {"image": buffer if form == "stacked" else list(buffer)}, "object_id": ids}
            buffer[:] = np.nan

    outputs = list(predictor.stream(source()))
    streamed = [each["scores"] for each in outputs]
    assert [each.object_id for each in outputs] == [[number] for number in range(60)]
    wanted = [predictor.predict({"data": {"image": values}})["scores"] for values in given]
    np.testing.assert_allclose(streamed, wanted, rtol=1e-5, atol=1e-6)


def test_rows_on_which_the_graph_fails_are_found_without_the_callers_memory(lookup_bundle: Path, pin: Pin) -> None:
    predictor = hr.load(lookup_bundle, trust=pin(lookup_bundle))
    buffer = np.empty(4, "i8")

    def source() -> Iterator[dict[str, Any]]:
        for number in range(20):
            buffer[:] = [number % 10, 1, 99 if number % 3 else 2, 3]
            yield {"data": {"index": buffer}}
            buffer[:] = 5

    for number, outputs in enumerate(predictor.stream(source(), on_error="mask")):
        assert list(outputs.errors) == ([2] if number % 3 else [])
        np.testing.assert_array_equal(outputs["value"][[0, 1, 3]], [number % 10 / 2, 0.5, 1.5])


def test_little_is_read_ahead(predictor: hr.Predictor) -> None:
    read = 0

    def source() -> Iterator[dict[str, Any]]:
        nonlocal read
        for _ in range(20):
            read += 1
            yield forging.sources(2)

    for done, _ in enumerate(predictor.stream(source()), start=1):
        assert read <= done + 2


def test_the_next_to_tensor_runs_while_the_graph_runs() -> None:
    """The run of batch 0 ends only when batch 1 was fed: without overlap this would wait for ever."""
    fed = threading.Event()
    done = []

    def steps(batch: int, number: int) -> Iterator[Step[int]]:
        if number == 1:
            fed.set()

        def run() -> None:
            assert fed.wait(30)
            done.append(number)

        yield Step(number, run, lambda: batch * 10)

    assert list(run_overlapped([1, 2, 3], steps)) == [10, 20, 30]
    assert done == [0, 1, 2]


def test_a_stream_that_is_left_early_leaves_no_thread(predictor: hr.Predictor) -> None:
    before = threading.active_count()
    stream = predictor.stream(forging.sources(2) for _ in range(100))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_joint_batches_are_streamed_whole(joint_bundle: Path, pin: Pin) -> None:
    predictor = hr.load(joint_bundle, trust=pin(joint_bundle))
    assert [len(outputs["best"]) for outputs in predictor.stream(batches([2, 6]))] == [2, 6]
    with pytest.raises(BatchError, match="batch 1: 6 rows exceed"):
        list(predictor.stream(batches([2, 6]), max_batch=5))


def test_threads_share_a_predictor(predictor: hr.Predictor) -> None:
    given = batches([5] * 40)
    wanted = [predictor.predict(batch)["scores"] for batch in given]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda batch: predictor.predict(batch)["scores"], given))
    assert all(np.array_equal(one, other) for one, other in zip(got, wanted, strict=True))


def test_a_pickled_predictor_opens_the_same_bundle_elsewhere(predictor: hr.Predictor) -> None:
    again = pickle.loads(pickle.dumps(predictor))
    assert again.id == predictor.id and again.settings == predictor.settings
    batch = forging.sources(3)
    assert np.array_equal(again.predict(batch)["scores"], predictor.predict(batch)["scores"])


def test_a_pickled_predictor_refuses_another_file(
    tmp_path: Path, sources_bundle: Path, joint_bundle: Path, pin: Pin
) -> None:
    path = tmp_path / "model.hyrax"
    shutil.copy(sources_bundle, path)
    pickled = pickle.dumps(hr.load(path, trust=pin(path)))
    shutil.copy(joint_bundle, tmp_path / "new.hyrax")
    (tmp_path / "new.hyrax").replace(path)
    with pytest.raises(OtherBundleError, match="the predictor was made from sha256:"):
        pickle.loads(pickled)


def test_a_predictor_proves_itself_where_it_is_unpickled_under_other_versions(
    features_bundle: Path, pin: Pin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pickled = pickle.dumps(hr.load(features_bundle, trust=pin(features_bundle)))
    monkeypatch.setattr(np, "__version__", "9.9.9")
    assert pickle.loads(pickled).selftest().passed
    assert "numpy 9.9.9 (proven with" in caplog.text


def test_errors_cross_to_another_process_whole(predictor: hr.Predictor) -> None:
    problem = Problem("data/x", "missing")
    errors: list[Any] = [ManifestError("a.hyrax", [problem]), TextError("to_tensor.py", [problem])]
    for error in [*errors, FieldsError([problem])]:
        error.batch = 3
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.problems, again.batch) == (type(error), str(error), (problem,), 3)


def test_a_predictor_that_nobody_closed_leaves_no_descriptor(features_bundle: Path, pin: Pin) -> None:
    resource = pytest.importorskip("resource")
    predictor = hr.load(features_bundle, trust=pin(features_bundle))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 128), hard))
        for _ in range(200):
            pickle.loads(pickle.dumps(predictor))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.. may lead to deadlocks.*:DeprecationWarning")
def test_a_child_forked_beside_a_watch_and_a_stream_under_way_does_not_wait_for_ever(predictor: hr.Predictor) -> None:
    watch = predictor.watch()
    stream = predictor.stream(forging.sources(4) for _ in range(4))
    next(stream)
    with watch._adding:  # as a thread of the parent would hold it
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            try:
                predictor.predict(forging.sources(3))
                watch.report()
                with pytest.raises(UsageError, match="begin one after the fork"):
                    next(stream)
                os._exit(0)
            finally:
                os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(list(stream)) == 3
    watch.stop()


def test_replacing_the_file_under_a_running_predictor_changes_nothing(
    tmp_path: Path, sources_bundle: Path, joint_bundle: Path, pin: Pin
) -> None:
    path = tmp_path / "model.hyrax"
    shutil.copy(sources_bundle, path)
    predictor = hr.load(path, trust=pin(path), memory="shared")
    wanted = predictor.predict(forging.sources(4))["scores"]
    shutil.copy(joint_bundle, tmp_path / "new.hyrax")
    (tmp_path / "new.hyrax").replace(path)
    assert np.array_equal(predictor.predict(forging.sources(4))["scores"], wanted)
    assert predictor.selftest().passed


def test_the_watch_reports_what_drifts_from_the_recorded_range(predictor: hr.Predictor) -> None:
    strange = forging.sources(10)
    strange["data"]["mag"] = [np.float32(30)] * 5 + [np.float32(20)] * 5
    strange["data"]["flux"][0] = np.array([np.nan, 1, 2], "f4")
    with predictor.watch() as watch:
        predictor.predict(strange)
        list(predictor.stream([forging.sources(10)]))
    predictor.predict(strange)
    drifts = {drift.path: drift for drift in watch.report()}
    assert watch.rows == 20
    assert watch.report()[0].path == "data/mag"
    assert drifts["data/mag"].outside == 0.25 and drifts["data/mag"].seen_greatest == 30
    assert drifts["data/flux"].seen_nan_share == pytest.approx(1 / 60)
    assert "where training saw 15..25; 25.00% of 20 values outside" in str(drifts["data/mag"])
    assert drifts["data/curve"].outside == 0.0  # no range was recorded


def test_the_watch_counts_infinities_as_outside(predictor: hr.Predictor) -> None:
    rows = forging.sources(4)
    rows["data"]["mag"][1] = np.float32(np.inf)
    with predictor.watch() as watch:
        predictor.predict(rows)
    (drift,) = [drift for drift in watch.report() if drift.path == "data/mag"]
    assert drift.outside == 0.25


def test_importing_the_package_brings_nothing_with_it() -> None:
    program = (
        "import sys; before = set(sys.modules); import hyrax_runtime; new = set(sys.modules) - before\n"
        "heavy = {'numpy', 'onnxruntime', 'msgpack', 'pyarrow', 'importlib.metadata', 'argparse'}\n"
        "assert not heavy & new, heavy & new\n"
        "from hyrax_runtime import contract_check, files, manifest, errors\n"
        "assert not {'onnxruntime', 'pyarrow', 'importlib.metadata'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-I", "-c", program], check=True)


def test_every_public_name_is_there() -> None:
    assert all(getattr(hr, name) is not None for name in hr.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Predicter'"):
        hr.Predicter  # type: ignore[attr-defined]
