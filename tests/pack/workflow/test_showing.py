"""`hyrax-pack runs`: the list, the curves, and what is said where there is nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hyrax_pack.config import load_config
from hyrax_pack.errors import StorageError, TrainingError
from hyrax_pack.run import Journal, Run, create_run, find_folder, newest_trained, open_run
from hyrax_pack.run.folder import CONFIG_FILE, FACTS_FILE, METRICS_FILE
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


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        pytest.param(CONFIG_FILE, "[train]\nepocs = 3\n", "unknown key", id="settings of another version"),
        pytest.param(CONFIG_FILE, "[train", "not TOML", id="settings that are no TOML"),
        pytest.param(FACTS_FILE, "{", "run.json", id="facts that are no JSON"),
        pytest.param(FACTS_FILE, '{"format": 1}', "run.json: lacks seed, created, state", id="facts without a state"),
        pytest.param(METRICS_FILE, '{"epoch": 1, "training/epoch/loss": {}}\n', "", id="figures that are no numbers"),
    ],
)
def test_a_damaged_run_breaks_no_other(tmp_path: Path, file: str, content: str, words: str) -> None:
    sound, damaged = make_run(tmp_path, [1.0]), make_run(tmp_path, [2.0])
    (damaged.path / file).write_text(content)
    lines = show_runs(tmp_path).splitlines()
    assert any(line.startswith(sound.path.name) and "validation/loss 1 " in line for line in lines)
    assert any(line.split()[:2] == [damaged.path.name, "unreadable"] for line in lines)
    assert lines[-1].startswith(f"{damaged.path.name}: ")
    assert words in lines[-1]


def test_the_newest_run_with_weights_is_exported_and_those_that_are_passed_over_are_named(tmp_path: Path) -> None:
    trained, failed, damaged = (make_run(tmp_path, [1.0]) for _ in range(3))
    (trained.path / "weights.pt").write_bytes(b"")
    failed.note({"state": "failed"})
    (damaged.path / CONFIG_FILE).write_text("[train")
    said: list[str] = []
    assert newest_trained(tmp_path, said.append) == trained
    assert said[0].startswith(f"{damaged.path.name}: passed over: ")
    assert said[1] == f"{failed.path.name}: passed over: failed, and has no weights"
    (trained.path / "weights.pt").unlink()
    with pytest.raises(TrainingError, match="no run here has weights"):
        newest_trained(tmp_path, said.append)


def test_a_run_is_found_by_its_folder_or_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "results", [1.0])
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (run.path.name, run.path, f"~/results/{run.path.name}"):
        assert open_run(find_folder(name, "~/results")) == run


def test_a_plot_into_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere/x\.png: cannot be written: No such file or directory; name a"):
        plot_to_file(make_run(tmp_path, [3.0, 1.5]), tmp_path / "nowhere" / "x.png")
