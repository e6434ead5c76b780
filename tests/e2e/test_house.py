"""The house rules, each run by the tool that knows it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    finished = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"{command}\n{finished.stdout}\n{finished.stderr}"


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["ruff", "check", "."], id="lint"),
        pytest.param(["ruff", "format", "--check", "."], id="format"),
        pytest.param(["mypy"], id="types"),
        pytest.param(["lint-imports"], id="import arrows"),
    ],
)
def test_the_tree_is_clean(command: list[str]) -> None:
    run(BIN / command[0], *command[1:])


def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    run(BIN / "sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", tmp_path)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    command = readme.split("<!-- test command -->")[1].split("```")[1].removeprefix("sh\n").strip()
    assert command.startswith("python3 -m venv")
    assert "\n" not in command
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, zipfile.ZipFile]:
    out = tmp_path_factory.mktemp("wheels")
    for project in (ROOT, ROOT / "runtime"):
        run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, project)
    return {path.name.split("-")[0]: zipfile.ZipFile(path) for path in out.glob("*.whl")}


@pytest.mark.parametrize(
    ("distribution", "package"),
    [("hyrax_pack", ROOT / "hyrax_pack"), ("hyrax_runtime", ROOT / "runtime/hyrax_runtime")],
)
def test_a_wheel_contains_its_package_and_nothing_else(
    wheels: dict[str, zipfile.ZipFile], distribution: str, package: Path
) -> None:
    tracked = {
        str(path.relative_to(package.parent))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    inside = {name for name in wheels[distribution].namelist() if ".dist-info/" not in name}
    assert inside == tracked


def test_the_runtime_requires_three_distributions_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "runtime" / "pyproject.toml").read_text())["project"]
    names = {requirement.split(">")[0].split("<")[0].split("=")[0] for requirement in project["dependencies"]}
    assert names == {"numpy", "onnxruntime", "msgpack"}


def test_importing_hyrax_pack_does_not_import_torch() -> None:
    probe = "import sys, hyrax_pack, hyrax_pack.cli; sys.exit('torch' in sys.modules)"
    run(sys.executable, "-c", probe)
