"""Commands as a user types them, in a folder of their own, with a trust store of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Command = Callable[..., subprocess.CompletedProcess[str]]

# What a machine without torch looks like to an import statement.
WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from hyrax_runtime.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of one user: data and cache folders apart from everybody else's."""
    folder = tmp_path_factory.mktemp("home")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "MLFLOW"))}
    return clean | {
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="module")
def command(home: dict[str, str]) -> Command:
    """Run `hyrax-pack ...`, or `hyrax-run ...` where torch cannot be imported."""

    def run(line: str, cwd: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
        program, *arguments = line.split()
        code = WITHOUT_TORCH if program == "hyrax-run" else "from hyrax_pack.cli import main; main()"
        finished = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=cwd, env=home, capture_output=True, text=True, check=False
        )
        assert finished.returncode == expect, f"{line}\n{finished.stdout}\n{finished.stderr}"
        assert "Traceback" not in finished.stderr
        return finished

    return run


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of a virtual environment that holds hyrax-runtime, and pytest to test it."""
    folder = tmp_path_factory.mktemp("alone")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    packages = [str(ROOT / "runtime"), "pytest", "hypothesis"]
    subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True, capture_output=True)
    return python
