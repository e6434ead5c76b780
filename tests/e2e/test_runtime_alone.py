"""The runtime in an environment of its own: numpy, onnxruntime, msgpack, and what they need. No torch, no packer."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import ROOT, Command


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, command: Command) -> tuple[Path, str]:
    """The demo's folder, and what it printed."""
    folder = tmp_path_factory.mktemp("user")
    return folder / "demo", command("hyrax-pack demo", folder).stdout


def test_the_demo_shows_the_same_accuracy_in_torch_and_from_the_bundle(demo: tuple[Path, str]) -> None:
    _, printed = demo
    row = re.search(r"test accuracy\D+([0-9.]+)\D+([0-9.]+)", printed)
    assert row is not None
    assert row[1] == row[2]
    assert float(row[1]) > 0.95
    for line in ("$ hyrax-pack train", "$ hyrax-pack export", "$ hyrax-run verify", "$ hyrax-run predict"):
        assert line in printed


def test_the_demo_leaves_a_user_s_own_file_alone(tmp_path: Path, command: Command) -> None:
    (tmp_path / "digits_cnn.py").write_text("# mine\n")
    assert "digits_cnn.py" in command(f"hyrax-pack demo {tmp_path}", tmp_path, expect=2).stderr
    assert (tmp_path / "digits_cnn.py").read_text() == "# mine\n"


def test_the_demo_s_bundle_runs_in_another_environment_of_the_same_user_without_a_flag(
    demo: tuple[Path, str], alone: Path, home: dict[str, str]
) -> None:
    folder, _ = demo
    program = alone.with_name("hyrax-run")

    def run(*arguments: str) -> None:
        finished = subprocess.run(
            [program, *arguments], cwd=folder, env=home, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr

    run("verify", "digits.hyrax")
    run("predict", "digits.hyrax", "test.npz", "-o", "again.npz")
    again, before = np.load(folder / "again.npz"), np.load(folder / "predictions.npz")
    np.testing.assert_array_equal(again["object_id"], before["object_id"])
    np.testing.assert_allclose(again["output_0"], before["output_0"], rtol=1e-5, atol=1e-5)


def test_the_runtime_brings_six_distributions_beside_itself(alone: Path) -> None:
    probe = (
        "import json, re; from importlib.metadata import requires\n"
        "seen, todo = set(), ['hyrax-runtime']\n"
        "while todo:\n"
        "    name = todo.pop()\n"
        "    for line in requires(name) or ():\n"
        "        if ';' in line: continue\n"
        "        need = re.match(r'[A-Za-z0-9_.-]+', line)[0].lower()\n"
        "        if need not in seen: seen.add(need); todo.append(need)\n"
        "print(json.dumps(sorted(seen)))"
    )
    found = subprocess.run([alone, "-c", probe], capture_output=True, text=True, check=True)
    names = json.loads(found.stdout)
    assert {"numpy", "onnxruntime", "msgpack"} <= set(names)
    assert len(names) <= 6
    assert "torch" not in names


def test_the_runtime_tests_pass_without_torch(alone: Path) -> None:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    options = ["-p", "no:cacheprovider", "--override-ini=addopts=", "--import-mode=importlib", "-q"]
    finished = subprocess.run(
        [alone, "-m", "pytest", "tests/runtime", *options, "-m", "not slow and not gpu"],
        cwd=ROOT, env=clean, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout[-4000:]
    assert " passed" in finished.stdout
