"""The runtime in an environment of its own: numpy, onnxruntime, msgpack, and what they need. No torch, no packer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of a virtual environment that holds hyrax-runtime and pytest."""
    folder = tmp_path_factory.mktemp("alone")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    packages = [str(ROOT / "runtime"), "pytest", "hypothesis", "jsonschema"]
    subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True, capture_output=True)
    return python


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
    finished = subprocess.run(
        [alone, "-m", "pytest", "-p", "no:cacheprovider", "tests/runtime", "--override-ini=addopts=",
         "--import-mode=importlib", "-q", "-m", "not slow and not gpu"],
        cwd=ROOT, env=clean, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout[-4000:]
    assert " passed" in finished.stdout
