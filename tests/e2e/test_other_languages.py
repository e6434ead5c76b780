"""The examples of docs/other-languages.md give what `hyrax-run predict` writes.

HYRAX_ONNXRUNTIME names a folder with onnxruntime's `include` and `lib`, as its release archives have them;
HYRAX_NODE_PREFIX one where `npm install onnxruntime-web` was run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import Command

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
ONNXRUNTIME = Path(os.environ.get("HYRAX_ONNXRUNTIME", "nowhere")).resolve()
NODE_PREFIX = Path(os.environ.get("HYRAX_NODE_PREFIX", "nowhere")).resolve()

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    """The demo's graphs, the raw pixels of its test images, and what predict wrote for them."""
    folder = tmp_path_factory.mktemp("demo")
    command("hyrax-pack demo", folder)
    command("hyrax-run unpack demo/digits.hyrax graphs --inline", folder)
    np.load(folder / "demo" / "test.npz")["image"].astype("<f4").tofile(folder / "pixels.f32")
    return folder


def check(printed: str, folder: Path) -> None:
    scores = np.array([[float(word) for word in line.split()] for line in printed.splitlines()])
    wanted = np.load(folder / "demo" / "predictions.npz")["output_0"]
    np.testing.assert_allclose(scores, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not (ONNXRUNTIME / "include").is_dir(), reason="HYRAX_ONNXRUNTIME names no onnxruntime for C++")
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_a_service_in_cpp_gives_the_same(graphs: Path) -> None:
    build = ["g++", "-std=c++17", EXAMPLES / "predict.cpp", "-I", ONNXRUNTIME / "include", "-L", ONNXRUNTIME / "lib"]
    subprocess.run([*build, "-lonnxruntime", f"-Wl,-rpath,{ONNXRUNTIME / 'lib'}", "-o", graphs / "predict"], check=True)
    ran = subprocess.run(
        [graphs / "predict", "graphs/fused.onnx", "pixels.f32"], cwd=graphs, capture_output=True, text=True, check=True
    )
    check(ran.stdout, graphs)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.skipif(
    not (NODE_PREFIX / "node_modules" / "onnxruntime-web").is_dir(), reason="HYRAX_NODE_PREFIX has no onnxruntime-web"
)
def test_a_script_under_node_gives_the_same(graphs: Path) -> None:
    files = [graphs / "graphs" / "fused.onnx", graphs / "pixels.f32"]
    ran = subprocess.run(
        ["node", EXAMPLES / "predict.mjs", *files], cwd=NODE_PREFIX, capture_output=True, text=True, check=True
    )
    check(ran.stdout, graphs)
