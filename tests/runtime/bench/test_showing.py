from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hyrax_runtime.benching import plot
from hyrax_runtime.benching.plot import check_plot, write_plot
from hyrax_runtime.benching.table import describe_figures
from hyrax_runtime.errors import HyraxError, MissingExtraError, OutputFileError, UsageError

from tests.runtime.bench.given import figures, rate


def test_the_table_shows_the_grid_with_onnxruntime_in_brackets() -> None:
    lines = describe_figures(figures()).splitlines()
    assert "  batch         1 thread        2 threads" in lines
    assert "     64  10,000 (11,000)  15,000 (16,500)" in lines
    assert "    256  10,100 (11,110)                -" in lines


def test_the_table_shows_the_steps_of_a_cold_start_and_a_dash_for_what_is_unknown() -> None:
    (line,) = [line for line in describe_figures(figures()).splitlines() if line.split()[:1] == ["shared"]]
    assert line.split() == ["shared", "10.0", "100.0", "2.0", "5.0", "1.0", "118.0", "23", "-"]


def test_the_table_shows_what_a_call_adds() -> None:
    lines = describe_figures(figures()).splitlines()
    place = lines.index("one call, 1 row, 1 thread (us)")
    assert lines[place + 2].split() == ["20.0", "12.0", "5.0", "3.0"]


def test_the_table_ends_with_notes_and_advice() -> None:
    said = describe_figures(figures(notes=("batch 4096 and up left out: too long",)))
    assert said.index("notes\n  - batch 4096") < said.index("advice\n  threads=2")


def test_a_gpu_has_one_column_and_no_modes() -> None:
    said = describe_figures(figures(rates=(rate(None, 1, 5_000.0),), modes=()))
    assert "batch         rows/s" in said
    assert "memory modes" not in said


def test_a_plot_is_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    drawn = tmp_path / "rates.png"
    write_plot(figures(), drawn)
    assert drawn.read_bytes().startswith(b"\x89PNG\r\n")
    assert [path.name for path in tmp_path.glob("*rates*")] == ["rates.png"]


def test_a_plot_without_matplotlib_names_the_pip_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        check_plot(tmp_path / "rates.png")
    assert str(caught.value) == "--plot needs matplotlib: pip install matplotlib"


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("rates.pdf", UsageError, "ends in .png"),
        ("absent/rates.png", OutputFileError, "no such folder"),
        ("folder.png", OutputFileError, "is a folder"),
    ],
    ids=["another ending", "a folder that is not there", "a folder"],
)
def test_a_plot_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: type[HyraxError], said: str
) -> None:
    monkeypatch.setattr(plot.importlib.util, "find_spec", lambda name: object())
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(error, match=said):
        check_plot(tmp_path / name)


def test_a_folder_lost_meanwhile_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(OutputFileError, match=r"gone/rates\.png: cannot be written"):
        write_plot(figures(), tmp_path / "gone" / "rates.png")


def test_matplotlib_is_imported_only_to_draw() -> None:
    script = (
        "import sys, pathlib, hyrax_runtime.commands.bench as bench\n"
        "from hyrax_runtime.benching.plot import check_plot\n"
        "try: check_plot(pathlib.Path('rates.png'))\n"
        "except Exception: pass\n"
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
