"""MLflow and TensorBoard hold what metrics.jsonl holds, and training goes on without them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hyrax_pack.config import load_config
from hyrax_pack.errors import Interrupted, ModelError
from hyrax_pack.run import Run, newest_run
from hyrax_pack.run.surroundings import describe_commit
from hyrax_pack.training import train_run
from hyrax_pack.training.tracking.following import FeedError, Follower, Point
from hyrax_pack.training.tracking.handle import TrackingProcess
from hyrax_pack.training.tracking.mlflow_feed import MlflowFeed
from hyrax_pack.training.tracking.plan import GIT_COMMIT, axis_of, collect_params, plan_tracking
from tests.pack.training.conftest import MODELS, MakeConfig, Train, in_child

SETTINGS: dict[str, Any] = {"split__validate": 0.3, "train__epochs": 5}


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run that was stopped in its third epoch and resumed, both times with tracking."""
    folder = tmp_path_factory.mktemp("tracked")
    settings = folder / "settings.toml"
    settings.write_text(_settings(folder))

    def stopped() -> None:
        with pytest.raises(Interrupted, match="in epoch 3 of 5, after batch 3 of 4"):
            train_run(load_config(settings), progress=False)

    def resumed() -> None:
        os.environ["HARMLESS"] = "1"
        train_run(None, resume=newest_run(folder / "results").path, progress=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert in_child(stopped) == 0
        assert in_child(resumed) == 0
    return newest_run(folder / "results")


def _settings(folder: Path) -> str:
    models = Path(__file__).parent / "models"
    return f"""
[general]
results_dir = "{folder / "results"}"
[model]
name = "{models / "failing.py"}:Failing"
[model.Failing]
what = "terminate"
at = 11
[optimizer]
name = "torch.optim.Adam"
lr = 0.01
[train]
epochs = 5
experiment_name = "cutouts"
[split]
validate = 0.3
test = 0.0
[data_loader]
batch_size = 8
[data_request.train.data]
dataset_class = "RandomDataset"
dataset_config = {{rows = 46}}
"""


def journal_of(run: Run) -> dict[str, list[tuple[int, float]]]:
    """Every metric as step and value."""
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for record in run.metrics():
        for name, value in record.items():
            if name not in ("epoch", "step"):
                found[name].append((int(record[axis_of(name)]), value))
    return found


def rows_of(run: Run, query: str) -> list[Any]:
    database = sqlite3.connect(run.path.parent / "mlflow" / "mlflow.db")
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def test_mlflow_holds_each_figure_of_a_resumed_run_once(tracked: Run) -> None:
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for name, step, value in rows_of(tracked, "select key, step, value from metrics order by step"):
        if not name.startswith("system/"):
            found[name].append((step, value))
    assert found == journal_of(tracked)
    assert set(found) >= {"training/loss", "training/epoch/loss", "validation/loss", "training/greatest"}
    assert [step for step, _ in found["validation/loss"]] == [1, 2, 3, 4, 5]


def test_tensorboard_holds_each_figure_of_a_resumed_run_once(tracked: Run) -> None:
    events = EventAccumulator(str(tracked.path), size_guidance={"scalars": 0})
    events.Reload()
    found = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    expected = journal_of(tracked)
    assert set(found) == {f"training/{name}" for name in expected}
    for name, points in expected.items():
        assert [step for step, _ in found[f"training/{name}"]] == [step for step, _ in points]
        assert [value for _, value in found[f"training/{name}"]] == pytest.approx([value for _, value in points])


def test_tensorboard_has_the_hyperparameters_at_the_end(tracked: Run) -> None:
    events = EventAccumulator(str(tracked.path))
    events.Reload()
    about = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"torch.optim.Adam" in about
    columns = events.SummaryMetadata("_hparams_/experiment").plugin_data.content
    assert b"training/validation/loss" in columns


def test_mlflow_has_one_run_with_the_folders_name_params_tags_and_configuration(tracked: Run) -> None:
    ((identifier, name, status, artifacts),) = rows_of(tracked, "select run_uuid, name, status, artifact_uri from runs")
    assert (name, status) == (tracked.path.name, "FINISHED")
    assert [row[0] for row in rows_of(tracked, "select name from experiments")] == ["Default", "cutouts"]
    params = dict(rows_of(tracked, "select key, value from params"))
    wanted = {
        "Failing.at": "11",
        "epochs": "5",
        "batch_size": "8",
        "criterion": "torch.nn.CrossEntropyLoss",
        "optimizer": "torch.optim.Adam",
        "lr": "0.01",
    }
    assert {key: params[key] for key in wanted} == wanted
    assert params["name"].endswith("failing.py:Failing")
    tags = dict(rows_of(tracked, "select key, value from tags"))
    assert tags["to_tensor_sha256"] == tracked.to_tensor_sha256
    copied = Path(artifacts.removeprefix("file://")) / "runtime_config.toml"
    assert copied.read_text() == (tracked.path / "runtime_config.toml").read_text()
    assert identifier in (tracked.path / "mlflow.json").read_text()


def test_mlflow_has_the_load_of_the_machine(tracked: Run) -> None:
    names = {row[0] for row in rows_of(tracked, "select distinct key from metrics where key like 'system/%'")}
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= names


def test_where_all_went_well_the_tracking_process_leaves_no_log(tracked: Run) -> None:
    assert not (tracked.path / "tracking.log").exists()


@pytest.fixture
def plain_run(train: Train) -> Any:
    """A run without tracking, to compare with."""
    return train(**SETTINGS)


def test_a_server_that_is_down_is_said_once_and_training_goes_on(
    train: Train, plain_run: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    run = train(track=True, **SETTINGS)
    said = [line for line in capfd.readouterr().err.splitlines() if "MLflow is" in line]
    assert len(said) == 1
    assert said[0].startswith("MLflow is not there: ")
    assert said[0].endswith("Training goes on; nothing is lost: every figure is in metrics.jsonl.")
    assert (run.path / "metrics.jsonl").read_bytes() == (plain_run.path / "metrics.jsonl").read_bytes()
    assert list(run.path.glob("events.out.tfevents.*")), "TensorBoard does not suffer for it"


def test_a_database_that_is_none_is_said_once_and_training_goes_on(
    train: Train, plain_run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = plain_run.path.parent / "mlflow"
    folder.mkdir()
    (folder / "mlflow.db").write_text("what is left of a database" * 100)
    run = train(track=True, **SETTINGS)
    said = [line for line in capfd.readouterr().err.splitlines() if "MLflow is" in line]
    assert len(said) == 1
    assert "MLflow is not there: file is not a database" in said[0]
    assert (run.path / "metrics.jsonl").read_bytes() == (plain_run.path / "metrics.jsonl").read_bytes()


def test_a_results_folder_that_no_database_address_can_hold_is_said_at_once(
    train: Train, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train(track=True, general__results_dir=str(tmp_path / "50% done?"), train__epochs=1)
    said = [line for line in capfd.readouterr().err.splitlines() if "MLflow is not there" in line]
    assert len(said) == 1
    assert "no address of a database may hold '%'; choose another general.results_dir" in said[0]


def test_without_a_process_to_track_training_goes_on(
    train: Train, plain_run: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    run = train(track=True, **SETTINGS)
    assert "No MLflow and no TensorBoard: " in capfd.readouterr().err
    assert (run.path / "metrics.jsonl").read_bytes() == (plain_run.path / "metrics.jsonl").read_bytes()


def test_a_run_that_is_killed_is_killed_in_mlflow_too(config: MakeConfig, tmp_path: Path) -> None:
    settings = {**SETTINGS, "model__Failing": {"what": "kill", "at": 11}}
    assert in_child(lambda: train_run(config("failing.py:Failing", **settings), progress=False)) == -9
    run = newest_run(tmp_path / "results")
    deadline = time.monotonic() + 60
    status = "RUNNING"
    while status != "KILLED" and time.monotonic() < deadline:
        time.sleep(0.2)
        if (run.path / "mlflow.json").exists():
            ((status,),) = rows_of(run, "select status from runs")
    assert status == "KILLED"


class Flaky:
    """A feed that is there every other time."""

    name = "Flaky"

    def __init__(self) -> None:
        self.taken: list[Point] = []
        self.calls = 0

    def open(self) -> dict[str, int]:
        return {"loss": 1}

    def write(self, points: Any) -> None:
        self.calls += 1
        if self.calls % 2:
            raise FeedError("busy")
        self.taken += points

    def tick(self) -> None: ...

    def close(self, end: str, points: Any) -> None: ...


def test_what_could_not_be_sent_is_sent_later_in_order_and_without_what_is_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed = Flaky()
    follower = Follower(feed)
    points = [Point("loss", 0.5, step) for step in range(6)]
    follower.push(points[:3], now=True)
    follower.push(points[3:], now=True)
    assert feed.taken == points[2:]
    follower.push([], now=True)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_run_that_cannot_begin_leaves_no_tracking_behind(train: Train, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="lr"):
        train(optimizer__lr=-1.0, track=True)
    run = newest_run(tmp_path / "results")
    assert not (run.path / "tracking.log").exists()
    assert not (run.path.parent / "mlflow").exists()


def test_arguments_of_the_same_name_are_kept_apart(config: MakeConfig) -> None:
    params = collect_params(config(optimizer={"name": "torch.optim.SGD", "lr": 0.1, "epochs": 3}), "Plain")
    assert (params["epochs"], params["optimizer.epochs"]) == (2, 3)


def test_the_commit_of_the_folder_with_the_class_is_a_tag(train: Train, tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "Begin"], check=True)
    assert describe_commit(tmp_path / "gone") == {}
    commit = describe_commit(tmp_path)["git_commit"]
    (tmp_path / "plain.py").write_bytes((MODELS / "plain.py").read_bytes())
    run = train(str(tmp_path / "plain.py:Plain"))
    assert plan_tracking(run, "Plain").tags["git_changed"] == "False"
    assert len(commit) == 40 and plan_tracking(run, "Plain").tags[GIT_COMMIT] == commit


def test_a_figure_whose_name_mlflow_dislikes_loses_nothing(config: MakeConfig, tmp_path: Path) -> None:
    assert in_child(lambda: train_run(config("plain.py:OddNames", train__epochs=1), progress=False)) == 0
    found = dict(rows_of(newest_run(tmp_path / "results"), "select key, value from latest_metrics"))
    names = ("acc_5", "F1 _macro_", "_/worse", "a")
    assert [found[f"training/epoch/{name}"] for name in names] == [0.5, 0.25, 0.125, 1.0]
    assert {"training/epoch/loss", "training/loss"} <= set(found)


def test_a_database_that_was_never_finished_is_begun_anew(train: Train, tmp_path: Path) -> None:
    """MLflow is killed, or the disk is full, while it makes its tables."""
    run = train(train__epochs=1)
    plan = plan_tracking(run, "Plain")

    def twice() -> None:
        import mlflow

        warnings.simplefilter("ignore")
        real = mlflow.MlflowClient.search_experiments
        mlflow.MlflowClient.search_experiments = _no_space  # type: ignore[method-assign]
        with pytest.raises(FeedError, match="No space left"):
            MlflowFeed(plan).open()
        assert not (tmp_path / "results" / "mlflow" / "mlflow.db").exists()
        mlflow.MlflowClient.search_experiments = real  # type: ignore[method-assign]
        feed = MlflowFeed(plan)
        assert feed.open() == {}
        feed.write([Point("training/loss", 1.0, 1)])
        feed.close("FINISHED", ())

    assert in_child(twice) == 0
    assert rows_of(run, "select key, value from latest_metrics") == [("training/loss", 1.0)]


def _no_space(*_: Any, **__: Any) -> None:
    raise OSError("No space left on device")


def test_a_log_that_somebody_removed_does_not_end_training(tmp_path: Path) -> None:
    tracking = TrackingProcess(tmp_path)
    (tmp_path / "tracking.log").unlink()
    tracking.relay(print)
    tracking.finish("FINISHED", print)
