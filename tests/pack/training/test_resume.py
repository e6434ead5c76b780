"""A run that is killed, at any moment, and resumed is the run that was never killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import hyrax_pack.demo
from hyrax_pack.run import Run, newest_run, open_run
from hyrax_pack.training import train_run
from hyrax_pack.training.checkpoints import list_checkpoints
from hyrax_pack.workflow import load_trained
from tests.pack.training.conftest import MakeConfig, Train, contents, flatten, in_child, kill_this_process
from tests.pack.training.models import keeping

STATEFUL: dict[str, Any] = {
    "train__epochs": 3,
    "data_loader__batch_size": 4,
    "split__validate": 0.3,
    "data_request__train__data": {
        "dataset_class": str(Path(__file__).parent / "models" / "stateful.py:JitteredDigits")
    },
}


def count_calls(monkeypatch: pytest.MonkeyPatch, then: Callable[[int], None]) -> None:
    """Call `then` with a running number before and after everything that changes the disk."""
    number = iter(range(10**9))

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            then(next(number))
            result = function(*args, **kwargs)
            then(next(number))
            return result

        return counted

    for name in ("write", "fsync", "ftruncate", "mkdir"):
        monkeypatch.setattr(os, name, wrap(getattr(os, name)))
    for name in ("replace", "rename", "unlink", "write_bytes"):
        monkeypatch.setattr(Path, name, wrap(getattr(Path, name)))


def never_killed(config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, int]:
    """The run to compare with, and how many moments it has at which the disk changes."""
    moments = []
    with monkeypatch.context() as patch:
        count_calls(patch, moments.append)
        run = train_run(config("stateful.py:Stateful", **STATEFUL), progress=False, track=False)
    return run, len(moments)


def killed_at(config: MakeConfig, moment: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin a run and kill it there. (The first run made the results folder too: it had a few more moments.)"""

    def train() -> None:
        count_calls(monkeypatch, lambda number: kill_this_process() if number == moment else None)
        train_run(config("stateful.py:Stateful", **STATEFUL), progress=False, track=False)

    assert in_child(train) == -9


def test_a_run_killed_at_any_change_of_the_disk_ends_as_if_it_never_was(
    config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, moments = never_killed(config, monkeypatch)
    expected = contents(reference)
    assert moments > 100
    for moment in [*range(0, 30, 3), *range(31, moments - 9, 17)]:
        before = set(reference.path.parent.iterdir())
        killed_at(config, moment, monkeypatch)
        made = [path for path in set(reference.path.parent.iterdir()) - before if not path.name.startswith(".")]
        if not made:
            continue  # killed before the folder had its name: nothing was begun
        assert in_child(lambda path=made[0]: train_run(None, resume=path, progress=False, track=False)) == 0
        assert contents(open_run(made[0])) == expected, f"killed at moment {moment}"


def test_a_run_killed_again_and_again_ends_as_if_it_never_was(
    config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, moments = never_killed(config, monkeypatch)
    killed_at(config, moments // 3, monkeypatch)
    run = newest_run(reference.path.parent)
    lives = 0
    for length in backoff():

        def live(moment: int = length) -> None:
            count_calls(monkeypatch, lambda number: kill_this_process() if number == moment else None)
            train_run(None, resume=run.path, progress=False, track=False)

        lives += 1
        if in_child(live) == 0:
            break
    assert lives > 2
    assert contents(run) == contents(reference)


def backoff() -> Iterator[int]:
    """Lives that get longer, so that one of them is long enough to end the run."""
    length = 9
    while True:
        yield length
        length = length * 3 // 2


@pytest.mark.parametrize("data_set", ["JitteredDigits", "ManyJitters"])
def test_an_epoch_that_takes_long_is_saved_in_its_middle_and_goes_on_from_there(
    config: MakeConfig, monkeypatch: pytest.MonkeyPatch, data_set: str
) -> None:
    settings = {**STATEFUL, "train__checkpoint_minutes": 0, "data_loader__batch_size": 1, "split__validate": 0.2}
    request = {"dataset_class": STATEFUL["data_request__train__data"]["dataset_class"]}
    request["dataset_class"] = request["dataset_class"].replace("JitteredDigits", data_set)
    settings["data_request__train__data"] = request
    results = Path(config().get("general.results_dir"))

    def undisturbed() -> None:
        train_run(config("stateful.py:NormFree", **settings), progress=False, track=False)

    assert in_child(undisturbed) == 0
    reference = newest_run(results)

    def live() -> None:
        monkeypatch.setenv("KILLED_AT", "27")
        train_run(config("stateful.py:NormFree", **settings), progress=False, track=False)

    assert in_child(live) == -9
    run = newest_run(reference.path.parent)
    assert [path.name for path in list_checkpoints(run.path)] == [
        "checkpoint_epoch_2_step_4.pt",
        "checkpoint_epoch_1.pt",
    ]
    assert in_child(lambda: train_run(None, resume=run.path, progress=False, track=False)) == 0
    assert contents(run) == contents(reference)


def test_a_run_with_workers_goes_on_in_the_middle_of_an_epoch(
    config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**STATEFUL, "train__checkpoint_minutes": 0, "data_loader__batch_size": 1, "data_loader__num_workers": 2}
    reference = train_run(config("stateful.py:NormFree", **settings), progress=False, track=False)

    def live() -> None:
        monkeypatch.setenv("KILLED_AT", "13")
        train_run(config("stateful.py:NormFree", **settings), progress=False, track=False)

    assert in_child(live) == -9
    run = newest_run(reference.path.parent)
    assert list_checkpoints(run.path)[0].name == "checkpoint_epoch_1_step_10.pt"
    train_run(None, resume=run.path, progress=False, track=False)
    assert contents(run) == contents(reference)


def lives(config: MakeConfig, name: str) -> Callable[..., Run]:
    """Train a class of `keeping.py`, each time in a process of its own: a class that was used is not as it was made."""
    chosen = config(f"keeping.py:{name}", train__checkpoint_minutes=0, data_loader__batch_size=2, split__validate=0.2)

    def live(run: Run | None = None, killed_at: str = "") -> Run:
        def train() -> None:
            os.environ["KILLED_AT"] = killed_at
            train_run(chosen if run is None else None, resume=run and run.path, progress=False, track=False)

        assert in_child(train) == (-9 if killed_at else 0)
        return run or newest_run(chosen.get("general.results_dir"))

    return live


@pytest.mark.parametrize("name", keeping.NAMES)
def test_a_class_goes_on_exactly_and_learns_nothing_from_validation_wherever_it_keeps_its_state(
    config: MakeConfig, name: str
) -> None:
    live = lives(config, name)
    reference = live()
    run = live(killed_at="23")
    assert list_checkpoints(run.path)[0].name == "checkpoint_epoch_2_step_4.pt"
    live(run)
    assert contents(run) == contents(reference)
    itself = lives(config, f"{name}V")()
    assert flatten(itself.load_state("last")) == flatten(reference.load_state("last"))


@pytest.mark.parametrize("name", ["AccumulatedV", "OfClassV", "TemperatureV"])
def test_a_class_that_validates_for_itself_goes_on_exactly(config: MakeConfig, name: str) -> None:
    live = lives(config, name)
    reference, run = live(), live(killed_at="23")
    live(run)
    assert contents(run) == contents(reference)


@pytest.mark.parametrize("name", ["OfClassV", "GlobalV", "ObjectV"])
def test_what_training_itself_changes_is_no_change_of_the_code(train: Train, name: str) -> None:
    """As in a notebook: training, and then a resume or an export, in one process."""
    run = train(f"keeping.py:{name}", data_loader__batch_size=16)
    run.note({"state": "interrupted"})
    assert train_run(None, resume=run.path, progress=False, track=False) == run
    assert load_trained(run).accepted == ()


def test_what_cannot_be_saved_is_named_when_the_run_begins(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train("keeping.py:Cycled", train__epochs=1)
    lines = capsys.readouterr().err.splitlines()
    words = "Their state cannot be saved, so a resumed run starts them afresh: factors (holds itertools.cycle)."
    assert lines.index(words) < next(at for at, line in enumerate(lines) if line.startswith("epoch 1/1"))


@pytest.mark.slow
def test_the_command_killed_at_a_random_time_from_its_first_moment_on_ends_as_if_it_never_was(tmp_path: Path) -> None:
    """The real command with tracking, killed by the system; about two minutes."""
    command = [sys.executable, "-c", "from hyrax_pack.cli import main; main()", "train"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name in ("digits_cnn.py", "digits.toml"):
        (tmp_path / name).write_bytes((Path(hyrax_pack.demo.__file__).parent / name).read_bytes())
    settings = [*command, "-c", "digits.toml", "--set", "train.epochs=10", "--set", "data_loader.batch_size=16"]

    def run_command(arguments: list[str], killed_after_s: float | None) -> int:
        process = subprocess.Popen(arguments, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
        try:
            return process.wait(killed_after_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    assert run_command(settings, None) == 0
    reference = contents(newest_run(tmp_path / "results"))
    draw = random.Random(8)
    begun = 0
    for attempt in range(12):
        known = set((tmp_path / "results").iterdir())
        run_command(settings, draw.uniform(0.4, 1.2) if attempt % 2 else draw.uniform(2.0, 7.0))
        made = [path for path in set((tmp_path / "results").iterdir()) - known if not path.name.startswith(".")]
        if not made:
            continue
        begun += 1
        run_command([*command, "--resume", str(made[0])], draw.uniform(2.0, 6.0))
        assert run_command([*command, "--resume", str(made[0])], None) == 0
        assert contents(open_run(made[0])) == reference
    assert begun > 4


def test_a_run_is_brought_back_while_it_goes_on_training(config: MakeConfig) -> None:
    chosen = config(train__epochs=100_000)
    results = Path(chosen.get("general.results_dir"))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*fork\\(\\) may lead to deadlocks.*", category=DeprecationWarning)
        child = os.fork()
    if not child:
        with suppress(BaseException):
            train_run(chosen, progress=False, track=False)
        os._exit(0)
    try:
        until = time.monotonic() + 60
        while not list(results.glob("*/weights.pt")) and time.monotonic() < until:
            time.sleep(0.05)
        for which in ("best", "last") * 3:
            trained = load_trained(newest_run(results), weights=which)
            assert trained.weights is not None
            assert not trained.accepted
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_layers_that_the_first_batch_shapes_go_on_and_are_brought_back(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train("plain.py:Unshaped", split__validate=0.3, train__epochs=3)
    expected = contents(run)
    assert "nobody can undo" not in capsys.readouterr().err
    (run.path / "checkpoint_epoch_3.pt").unlink()
    run.note({"state": "interrupted"})
    assert contents(train_run(None, resume=run.path, progress=False, track=False)) == expected
    model = load_trained(run).model
    assert [type(layer).__name__ for layer in model.layer] == ["Linear", "BatchNorm1d", "Linear"]
