"""Runs with buffers that stay on the device; here the device is the CPU, which onnxruntime binds by the same calls."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hyrax_runtime as hr
import numpy as np
import onnxruntime as ort
import pytest
from hyrax_runtime.bound_runs import NO_GRAPH, BoundRuns, DeviceSession
from hyrax_runtime.errors import BatchError, UsageError
from hyrax_runtime.page_locked import page_locked
from hyrax_runtime.session import open_session
from hyrax_runtime.settings import Tuning
from numpy.typing import NDArray

from tests.runtime.predict import forging

NAMES = ["scores", "best"]


class Recorded(DeviceSession):
    """Notes which runs would have been recorded as a CUDA graph, and holds the addresses of what it is run on."""

    def __init__(self, session: ort.InferenceSession) -> None:
        super().__init__(session, NAMES, "cpu", 0, value_class=ort.OrtValue, options_class=ort.RunOptions)
        self.graphs: list[int] = []
        self.values = 0

    def value(self, array: NDArray[Any]) -> Any:
        self.values += 1
        return super().value(array)

    def run(self, binding: Any, graph_id: int) -> None:
        self.graphs.append(graph_id)
        super().run(binding, graph_id)


@pytest.fixture(scope="module")
def native() -> ort.InferenceSession:
    return ort.InferenceSession(forging.dense(10, in_file=False).graph, providers=["CPUExecutionProvider"])


def feeds(rows: int, seed: int = 0) -> Mapping[str, NDArray[Any]]:
    return {"x": np.random.default_rng(seed).normal(size=(rows, 10)).astype("f4")}


def check(native: ort.InferenceSession, got: list[NDArray[Any]], given: Mapping[str, NDArray[Any]]) -> None:
    scores, best = native.run(NAMES, given)
    assert got[0].shape == scores.shape
    np.testing.assert_allclose(got[0], scores, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(got[1], best)


def test_what_was_staged_is_computed_whatever_the_caller_does_with_its_memory(native: Any) -> None:
    runs = BoundRuns(Recorded(native))
    for rows in (3, 1, 3, 7, 3):
        given = feeds(rows, seed=rows)
        wanted = {"x": given["x"].copy()}
        staged = runs.stage(given)
        given["x"][:] = np.nan
        check(native, runs.run(staged), wanted)


def test_two_staged_batches_have_buffers_of_their_own_and_old_ones_serve_again(native: Any) -> None:
    device = Recorded(native)
    runs = BoundRuns(device)
    for number in range(5):
        one, two = feeds(4, seed=number), feeds(4, seed=100 + number)
        first, second = runs.stage(one), runs.stage(two)
        check(native, runs.run(second), two)
        check(native, runs.run(first), one)
    assert device.values == 2


def test_buffers_of_shapes_long_gone_are_let_go(native: Any) -> None:
    runs = BoundRuns(Recorded(native))
    for rows in range(1, 60):
        check(native, runs.run(runs.stage(feeds(rows))), feeds(rows))
    assert len(runs._free) == 16


def test_a_batch_is_filled_up_to_the_next_graph_and_cut_back(native: Any) -> None:
    device = Recorded(native)
    runs = BoundRuns(device, graph_batches=(16, 4))
    for rows in (1, 3, 4, 5, 16, 17, 2):
        check(native, runs.run(runs.stage(feeds(rows, seed=rows))), feeds(rows, seed=rows))
    # the first of each size is an ordinary run, which tells the shapes of the outputs; 17 rows fit no graph
    assert device.graphs == [NO_GRAPH, 1, 1, NO_GRAPH, 2, NO_GRAPH, 1]


def test_a_recorded_run_finds_inputs_and_outputs_at_the_addresses_of_the_recording(native: Any) -> None:
    runs = BoundRuns(Recorded(native), graph_batches=(4,))
    addresses = set()
    for number in range(4):
        staged = runs.stage(feeds(3, seed=number))
        runs.run(staged)
        outputs = staged.buffers.binding.get_outputs()
        if number:  # outputs are fixed after the first run
            addresses.add((staged.buffers.inputs["x"].data_ptr(), *(value.data_ptr() for value in outputs)))
    assert len(addresses) == 1


def test_threads_share_the_buffers_of_a_session(native: Any) -> None:
    runs = BoundRuns(Recorded(native), graph_batches=(8,))
    start = threading.Barrier(4)

    def many(thread: int) -> None:
        start.wait()
        for number in range(60):
            given = feeds(1 + number % 10, seed=1000 * thread + number)
            check(native, runs.run(runs.stage(given)), given)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(many, range(4)))


def test_without_cuda_there_is_no_page_locked_memory_and_none_is_needed() -> None:
    array = page_locked((2, 3), np.dtype("f4"))
    assert array is None or (array.shape, array.dtype) == ((2, 3), np.float32)
    assert page_locked((0, 3), np.dtype("f4")) is None


@pytest.mark.parametrize("batches", [(0,), (True,), ("4",), (1.5,)])
def test_a_batch_size_that_is_none_is_wrong_usage(batches: Any) -> None:
    with pytest.raises(UsageError, match="whole numbers of at least 1"):
        Tuning(graph_batches=batches)


def test_graphs_need_a_device_that_has_them(features_bundle: Path, joint_bundle: Path, pin: Any) -> None:
    with pytest.raises(UsageError, match="they need device='cuda', not 'cpu'"):
        hr.load(features_bundle, trust=pin(features_bundle), graph_batches=[16])
    with pytest.raises(BatchError, match="this bundle's rows belong together"):
        hr.load(joint_bundle, trust=pin(joint_bundle), device="cuda", graph_batches=[16])


def test_spinning_is_off_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}
    entry = ort.SessionOptions.add_session_config_entry

    class Options(ort.SessionOptions):
        def add_session_config_entry(self, key: str, value: str) -> None:
            seen[key] = value
            entry(self, key, value)

    monkeypatch.setattr(ort, "SessionOptions", Options)
    graph = forging.dense(10, in_file=False).graph
    for spinning in (False, True):
        open_session(graph, None, tuning=Tuning(spinning=spinning)).run(feeds(2))
        assert seen["session.intra_op.allow_spinning"] == seen["session.inter_op.allow_spinning"] == str(int(spinning))


@pytest.mark.gpu
@pytest.mark.parametrize("graph_batches", [(), (4, 64)], ids=["bound", "as CUDA graphs"])
def test_a_gpu_computes_what_the_cpu_computes(features_bundle: Path, pin: Any, graph_batches: Any) -> None:
    on_gpu = hr.load(features_bundle, trust=pin(features_bundle), device="cuda", graph_batches=graph_batches)
    on_cpu = hr.load(features_bundle, trust=pin(features_bundle))
    batches = [forging.features(rows, seed=rows) for rows in (1, 3, 4, 5, 64, 65, 3, 1)]
    for got, batch in zip(on_gpu.stream(batches), batches, strict=True):
        np.testing.assert_allclose(got["scores"], on_cpu.predict(batch)["scores"], rtol=1e-5, atol=1e-5)
    assert on_gpu.selftest().passed


@pytest.mark.gpu
def test_page_locked_memory_is_there_where_cuda_is() -> None:
    array = page_locked((64, 3, 63, 63), np.dtype("f4"))
    assert array is not None and array.flags.writeable
