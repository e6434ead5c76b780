"""Sessions run where they were asked to, on the weights they were given, and leave nothing else within reach."""

from __future__ import annotations

import gc
import mmap
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyrax_runtime.devices import Device, absent_provider, parse_device, provider_options, refused_provider
from hyrax_runtime.errors import ProviderError, RunError, SessionError, UsageError
from hyrax_runtime.session import open_session
from hyrax_runtime.settings import parse_memory

from tests.runtime.predict import forging

CUDA = "CUDAExecutionProvider"


@pytest.fixture
def network() -> Any:
    return forging.dense(10)


def feeds(rows: int = 4) -> dict[str, Any]:
    return {"x": np.random.default_rng(1).normal(size=(rows, 10)).astype("f4")}


@pytest.mark.parametrize("memory", ["shared", "fast"])
def test_both_memory_modes_compute_the_same(network: Any, memory: str) -> None:
    session = open_session(network.graph, memoryview(network.weights), memory=memory, threads=1)
    inside = open_session(forging.dense(10, in_file=False).graph, None, threads=1)
    np.testing.assert_allclose(session.run(feeds())["scores"], inside.run(feeds())["scores"], rtol=1e-6, atol=1e-6)
    assert session.memory == memory
    assert [(each.name, each.dtype, each.shape) for each in session.inputs] == [("x", "float32", ("N", 10))]
    assert [each.name for each in session.outputs] == ["scores", "best"]


def test_small_weights_are_loaded_fast_and_large_ones_shared() -> None:
    assert parse_memory("auto", 64 * 2**20) == "fast"
    assert parse_memory("auto", 64 * 2**20 + 1) == "shared"


def test_the_session_keeps_its_weights_alive(network: Any) -> None:
    weights = bytearray(network.weights)
    session = open_session(network.graph, memoryview(weights), memory="shared", threads=1)
    wanted = session.run(feeds())["scores"]
    del weights
    gc.collect()
    rubbish = [bytearray(b"\xff" * len(network.weights)) for _ in range(1000)]
    assert np.array_equal(session.run(feeds())["scores"], wanted)
    del rubbish


@pytest.mark.parametrize("memory", ["shared", "fast"])
def test_a_file_named_like_the_weights_in_the_current_folder_is_not_read(
    network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: str
) -> None:
    (tmp_path / "weights.bin").write_bytes(network.weights)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SessionError):
        open_session(network.graph, None, memory=memory)
    other = bytes(len(network.weights))
    session = open_session(network.graph, memoryview(other), memory=memory, threads=1)
    assert np.ptp(session.run(feeds())["scores"], axis=0).max() == 0  # weights of zeros: only the bias is left


def test_bytes_that_are_no_graph_are_refused_in_one_line() -> None:
    for rubbish in (b"", b"\x00" * 40, b"ORTM" * 10):
        with pytest.raises(SessionError) as caught:
            open_session(rubbish, None)
        assert "\n" not in str(caught.value)


def test_a_failure_while_running_is_an_error_of_ours(network: Any) -> None:
    session = open_session(network.graph, memoryview(network.weights), threads=1)
    with pytest.raises(RunError, match="CPUExecutionProvider failed"):
        session.run({"x": np.ones((2, 11), "f4")})
    with pytest.raises(RunError):
        session.run({"x": np.ones((2, 10), "f8")})
    with pytest.raises(RunError):
        session.run({})


@pytest.mark.parametrize("threads", [0, -1, True, 1.5, "2"])
def test_threads_are_a_positive_whole_number(network: Any, threads: Any) -> None:
    with pytest.raises(UsageError, match="threads"):
        open_session(network.graph, memoryview(network.weights), threads=threads)


def test_a_memory_mode_that_does_not_exist_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="auto, shared, fast"):
        parse_memory("mapped", 1)


# --- devices -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("cpu", Device("cpu")),
        ("cuda", Device("cuda")),
        ("cuda:1", Device("cuda", 1)),
        ("tensorrt:2", Device("tensorrt", 2)),
    ],
)
def test_devices_are_named_as_people_name_them(text: str, device: Device) -> None:
    assert parse_device(text) == device


@pytest.mark.parametrize(
    ("text", "near"),
    [("gpu", "cuda"), ("CUDA:0", "cuda"), ("tensort", "tensorrt"), ("cpu:1", "cpu"), ("cuda:x", "cuda")],
)
def test_a_device_that_does_not_exist_is_wrong_usage_with_the_nearest(text: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean '{near}'"):
        parse_device(text)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "tensorrt"])
def test_a_device_that_this_build_lacks_is_refused_with_the_cause(network: Any, device: str) -> None:
    ort = pytest.importorskip("onnxruntime")
    if CUDA in ort.get_available_providers():
        pytest.skip("this onnxruntime offers CUDA")
    with pytest.raises(ProviderError, match=r"has no \w+ExecutionProvider .* install onnxruntime-gpu"):
        open_session(network.graph, memoryview(network.weights), device=device)


def test_auto_runs_on_the_cpu_where_there_is_nothing_else(network: Any) -> None:
    ort = pytest.importorskip("onnxruntime")
    if CUDA in ort.get_available_providers():
        pytest.skip("this onnxruntime offers CUDA")
    session = open_session(network.graph, memoryview(network.weights), device="auto")
    assert session.provider == "CPUExecutionProvider"


def test_a_provider_that_is_offered_but_does_not_come_up_is_not_replaced_by_the_cpu(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken CUDA install is in the list of available providers, and onnxruntime then runs on the CPU."""
    ort = pytest.importorskip("onnxruntime")
    if CUDA in ort.get_available_providers():
        pytest.skip("this onnxruntime offers CUDA")
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"])
    with pytest.raises(ProviderError, match=f"{CUDA} did not start") as caught, pytest.warns(UserWarning):
        open_session(network.graph, memoryview(network.weights), device="cuda")
    assert caught.value.code == "device/provider"
    with pytest.warns(UserWarning):
        assert open_session(network.graph, memoryview(network.weights), device="auto").device == Device("cpu")


def test_two_builds_of_onnxruntime_in_one_folder_are_refused() -> None:
    error = absent_provider(Device("cuda"), [CUDA], "1.32.0", ["onnxruntime", "onnxruntime-gpu"])
    assert "uninstall both, then install onnxruntime-gpu alone" in str(error)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="libraries are looked for by their Linux names")
@pytest.mark.parametrize(
    ("missing", "words"),
    [("libcuda", "the NVIDIA driver"), ("libcudart", "CUDA 12"), ("libcudnn", "cuDNN 9")],
)
def test_the_missing_library_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch, missing: str, words: str) -> None:
    def load(name: str) -> None:
        if name.startswith(missing):
            raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", load)
    text = str(refused_provider(Device("cuda"), ["CPUExecutionProvider"]))
    assert f"{words} is missing" in text and "install" in text


def test_reduced_precision_is_off_on_every_device() -> None:
    assert provider_options(Device("cuda", 1)) | {"device_id": "1", "use_tf32": "0"} == provider_options(
        Device("cuda", 1)
    )
    assert provider_options(Device("tensorrt"))["trt_fp16_enable"] == "0"


@pytest.mark.gpu
def test_cuda_computes_what_the_cpu_computes(network: Any) -> None:
    on_gpu = open_session(network.graph, memoryview(network.weights), device="cuda")
    on_cpu = open_session(network.graph, memoryview(network.weights))
    assert on_gpu.provider == CUDA
    np.testing.assert_allclose(on_gpu.run(feeds())["scores"], on_cpu.run(feeds())["scores"], rtol=1e-5, atol=1e-5)


# --- memory and processes ------------------------------------------------------------------------------------------

PROBE = """
import mmap, sys, time
import numpy as np
from hyrax_runtime.session import open_session

def private_dirty_mib():
    with open("/proc/self/smaps_rollup") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) / 1024

graph, memory = open(sys.argv[1], "rb").read(), sys.argv[3]
with open(sys.argv[2], "rb") as file:
    mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
before = private_dirty_mib()
session = open_session(graph, mapped, memory=memory, threads=1)
session.run({"x": np.ones((1, 8192), "f4")})
print(private_dirty_mib() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux's account of memory")
@pytest.mark.parametrize(("memory", "least", "most"), [("shared", 0, 24), ("fast", 60, 400)])
def test_shared_weights_cost_no_memory_of_ones_own(tmp_path: Path, memory: str, least: float, most: float) -> None:
    """Unknown configuration keys are accepted in silence, so only the memory itself says that they work."""
    network = forging.dense(8192, 2048)  # 64 MiB
    (tmp_path / "graph").write_bytes(network.graph)
    with (tmp_path / "weights").open("wb") as file:
        file.write(network.weights)
        file.flush()
        os.fsync(file.fileno())  # pages not yet on disk count as private and dirty for a sole owner
    command = [sys.executable, "-c", PROBE, str(tmp_path / "graph"), str(tmp_path / "weights"), memory]
    taken = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert least <= taken <= most


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_makes_its_session_again(tmp_path: Path, network: Any) -> None:
    (tmp_path / "graph").write_bytes(network.graph)
    (tmp_path / "weights").write_bytes(network.weights)
    program = textwrap.dedent("""
        import mmap, os, sys
        import numpy as np
        from hyrax_runtime.session import open_session
        with open(sys.argv[2], "rb") as file:
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        session = open_session(open(sys.argv[1], "rb").read(), mapped, threads=2)
        x = {"x": np.ones((64, 10), "f4")}
        wanted = session.run(x)["scores"]
        child = os.fork()
        if child == 0:
            os._exit(0 if np.array_equal(session.run(x)["scores"], wanted) else 3)
        _, status = os.waitpid(child, 0)
        assert np.array_equal(session.run(x)["scores"], wanted)
        sys.exit(os.waitstatus_to_exitcode(status))
    """)
    command = [sys.executable, "-c", program, str(tmp_path / "graph"), str(tmp_path / "weights")]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0


def test_a_mapped_file_serves_as_weights(network: Any, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(network.weights)
    with (tmp_path / "weights").open("rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    session = open_session(network.graph, mapped, memory="shared", threads=1)
    assert session.run(feeds(0))["scores"].shape == (0, 3)
