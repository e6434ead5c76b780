"""`hyrax-pack runs`: the list, the curves, and what is said where there is nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hyrax_pack.config import load_config
from hyrax_pack.errors import TrainingError
from hyrax_pack.run import Journal, Run, create_run
from hyrax_pack.run.folder import METRICS_FILE
from hyrax_pack.workflow.showing import find_run, plot_in_terminal, plot_to_file, show_runs


def make_run(results: Path, validation: list[float]) -> Run:
    run = create_run(load_config(tables={"general": {"results_dir": str(results)}, "model": {"name": "a.py:Net"}}))
    journal = Journal(run.path / METRICS_FILE)
    for epoch, loss in enumerate(validation, start=1):
        journal.append({"epoch": epoch, "step": epoch * 10, "training/epoch/loss": loss / 2})
        journal.append({"epoch": epoch, "step": epoch * 10, "validation/loss": loss})
    return run


def test_a_run_is_listed_with_its_best_epoch(tmp_path: Path) -> None:
    run = make_run(tmp_path, [3.0, 1.5, 2.0])
    heading, line = show_runs(tmp_path).splitlines()
    assert heading.split()[:2] == ["run", "state"]
    assert run.path.name in line
    assert "validation/loss 1.5  2 " in " ".join(line.split()).replace("1.5 2", "1.5  2")


def test_the_newest_run_comes_first(tmp_path: Path) -> None:
    first, second = make_run(tmp_path, [1.0]), make_run(tmp_path, [2.0])
    names = [Path(entry["run"]).name for entry in json.loads(show_runs(tmp_path, as_json=True))]
    assert names == [second.path.name, first.path.name]


def test_an_empty_results_folder_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="hyrax-pack train"):
        show_runs(tmp_path)
    assert json.loads(show_runs(tmp_path, as_json=True)) == []


def test_the_curves_of_training_and_validation_share_a_plot(tmp_path: Path) -> None:
    plot = plot_in_terminal(make_run(tmp_path, [3.0, 1.5, 2.0]))
    assert plot.count("epoch") >= 1
    assert "tt training/epoch/loss" in plot
    assert "vv validation/loss" in plot
    assert "\x1b" not in plot


def test_a_png_is_a_png(tmp_path: Path) -> None:
    plot_to_file(make_run(tmp_path, [3.0, 1.5]), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_loss_that_is_not_a_number_does_not_break_the_plot(tmp_path: Path) -> None:
    assert "validation/loss" in plot_in_terminal(make_run(tmp_path, [3.0, float("nan"), 2.0]))


def test_a_run_is_found_by_its_name_in_the_results_folder(tmp_path: Path) -> None:
    run = make_run(tmp_path, [1.0])
    assert find_run(run.path.name, tmp_path).path == run.path
    with pytest.raises(TrainingError, match="no such run folder"):
        find_run("never", tmp_path)


def test_a_run_without_a_finished_epoch_has_nothing_to_plot(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nothing to plot"):
        plot_in_terminal(make_run(tmp_path, []))
