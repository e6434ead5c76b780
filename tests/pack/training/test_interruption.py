"""Ctrl-C, SIGTERM, NaN, an exception in the class: what is said, what is saved, how it goes on."""

from __future__ import annotations

import math
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hyrax_pack.errors import Interrupted, LossError, TrainingError
from hyrax_pack.run import Run, list_runs, newest_run
from hyrax_pack.training import train_run
from tests.pack.training.conftest import MakeConfig, Train, contents, flatten, in_child


def failing(what: str, at: int) -> dict[str, Any]:
    return {"model": "failing.py:Failing", "model__Failing": {"what": what, "at": at}, "split__validate": 0.4}


@pytest.fixture
def undisturbed(train: Train, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same run, to which nothing happened."""

    def run(what: str, at: int) -> Run:
        with monkeypatch.context() as patch:
            patch.setenv("HARMLESS", "1")
            return train(**failing(what, at))

    return run


@pytest.mark.parametrize(
    ("what", "at", "words"),
    [
        ("interrupt", 2, "in epoch 1 of 2, after batch 2 of 3"),
        ("interrupt", 3, "in epoch 1 of 2, after batch 3 of 3"),
        ("terminate", 4, "in epoch 2 of 2, after batch 1 of 3"),
        ("hang up", 4, "in epoch 2 of 2, after batch 1 of 3"),
        ("interrupt validation", 1, "in epoch 1 of 2, after batch 3 of 3"),
        ("interrupt validation", 2, "after epoch 1 of 2"),
    ],
    ids=[
        "in an epoch",
        "at its last step",
        "sigterm in the second epoch",
        "a closed terminal",
        "in validation",
        "at the end of validation",
    ],
)
def test_a_stopped_run_finishes_its_step_saves_and_goes_on_exactly(
    train: Train, config: MakeConfig, undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    what: str, at: int, words: str,
) -> None:  # fmt: skip
    expected = contents(undisturbed(what, at))
    with pytest.raises(Interrupted) as stopped:
        train(**failing(what, at))
    run = newest_run(tmp_path / "results")
    goes_on = f"Go on with: hyrax-pack train --resume {run.path}"
    assert str(stopped.value) == f"Stopped {words}; everything is saved. {goes_on}"
    assert list_runs(tmp_path / "results")[0].state == "interrupted"
    monkeypatch.setenv("HARMLESS", "1")
    resumed = train_run(None, resume=run.path, progress=False, track=False)
    assert contents(resumed) == expected
    assert list_runs(tmp_path / "results")[0].state == "finished"


def test_a_batch_system_that_tells_every_process_to_end_loses_nothing(
    train: Train, undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = contents(undisturbed("terminate all", 4))
    with pytest.raises(Interrupted, match="Stopped in epoch 2 of 2, after batch 1 of 3; everything is saved"):
        train(**failing("terminate all", 4), data_loader__num_workers=1)
    monkeypatch.setenv("HARMLESS", "1")
    resumed = train_run(None, resume=newest_run(tmp_path / "results").path, progress=False, track=False)
    assert contents(resumed) == expected


def test_hooks_run_once_an_epoch_and_rows_count_once_however_often_validation_is_begun(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "model": "failing.py:Counting",
        "model__Counting": {"what": "interrupt validation", "at": 1},
        "split__validate": 0.4,
    }
    with pytest.raises(Interrupted):
        train(**settings)
    run = newest_run(tmp_path / "results")
    monkeypatch.setenv("HARMLESS", "1")
    expected = contents(train(**settings))
    assert contents(train_run(None, resume=run.path, progress=False, track=False)) == expected


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_run_that_is_stopped_before_its_first_step_says_how_to_go_on(train: Train, tmp_path: Path, name: str) -> None:
    with pytest.raises(Interrupted, match=r"Stopped at once; .*Go on with: hyrax-pack train --resume "):
        train(**failing(f"at the start: {name}", 1))
    assert list_runs(tmp_path / "results")[0].state == "interrupted"


def test_what_the_caller_ignores_does_not_stop_a_run(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        run = train(**failing("hang up", 2))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert run.facts["state"] == "finished"


@pytest.mark.parametrize("progress", [False, True], ids=["lines", "bar"])
def test_a_run_goes_on_where_nobody_reads_what_it_says(config: MakeConfig, tmp_path: Path, progress: bool) -> None:
    def with_a_reader_that_is_gone() -> None:
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 2)
        sys.stderr = os.fdopen(2, "w")
        train_run(config(), progress=progress, track=False)
        assert os.fstat(1).st_ino != Path(os.devnull).stat().st_ino  # rich would give stdout away

    assert in_child(with_a_reader_that_is_gone) == 0
    assert list_runs(tmp_path / "results")[0].state == "finished"


def test_a_second_ctrl_c_stops_at_once(train: Train, tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match=r"Stopped at once; what was saved before stands\. Go on with: "):
        train(**failing("twice", 2))
    assert list_runs(tmp_path / "results")[0].state == "interrupted"


def test_the_handlers_of_signals_are_those_from_before_again(train: Train) -> None:
    import signal

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    train()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_nan_loss_stops_and_keeps_the_last_good_epoch(train: Train, tmp_path: Path) -> None:
    with pytest.raises(LossError) as stopped:
        train(**failing("nan", 5))
    run = newest_run(tmp_path / "results")
    assert str(stopped.value) == (
        "Failing.train_step: the loss is NaN in epoch 2, batch 2 (step 5). checkpoint_epoch_1.pt and the weights of "
        f"epoch 1 (weights.pt) are kept. To start from them with another learning rate: "
        f"--set train.model_weights_file={run.path / 'weights.pt'} --set optimizer.lr=…"
    )
    assert [path.name for path in run.path.glob("checkpoint*")] == ["checkpoint_epoch_1.pt"]
    assert run.load_state("best").keys() == {"layer.weight", "layer.bias"}
    assert list_runs(tmp_path / "results")[0].state == "failed"
    assert list_runs(tmp_path / "results")[0].epochs_done == 1


def test_a_nan_loss_before_any_epoch_says_that_nothing_is_saved(train: Train) -> None:
    with pytest.raises(LossError, match=r"No epoch was finished\. Try a smaller learning rate"):
        train(**failing("nan", 1))


def test_training_starts_from_the_weights_that_a_nan_left(train: Train, tmp_path: Path) -> None:
    with pytest.raises(LossError):
        train(**failing("nan", 5))
    kept = newest_run(tmp_path / "results").weights("best")
    after = train(train__model_weights_file=str(kept), train__epochs=1, optimizer__lr=1e-9)
    assert after.load_state()["layer.weight"].allclose(newest_run(tmp_path / "results").load_state()["layer.weight"])


def test_an_infinite_loss_stops_too(train: Train) -> None:
    with pytest.raises(LossError, match=r"Failing\.train_step: the loss is infinite in epoch 2, batch 2 \(step 5\)\."):
        train(**failing("infinite", 5))


@pytest.mark.parametrize("at", [4, 5, 6], ids=["first step", "in the middle", "last step of an epoch"])
@pytest.mark.parametrize("minutes", [30, 0], ids=["epochs saved", "steps saved"])
def test_weights_that_are_not_finite_are_never_written_though_the_loss_was(
    train: Train, tmp_path: Path, at: int, minutes: int
) -> None:
    with pytest.raises(LossError) as stopped:
        train(**failing("nan gradient", at), train__checkpoint_minutes=minutes)
    run = newest_run(tmp_path / "results")
    if at == 6:  # else the next step has a loss of NaN, which says it
        assert str(stopped.value).startswith("layer.weight: not finite after step 6 (epoch 2), though the loss was: ")
    assert f"--set train.model_weights_file={run.path / 'weights.pt'}" in str(stopped.value)
    assert "the weights of epoch 1 (weights.pt) are kept" in str(stopped.value)
    for path in run.path.glob("*.pt"):
        found = flatten(torch.load(path, weights_only=True))
        weights = [value for name, value in found.items() if name.endswith("layer.weight") and isinstance(value, tuple)]
        assert all(np.isfinite(np.frombuffer(content, np.float32)).all() for _, _, content in weights), path.name


def test_a_nan_before_any_epoch_names_no_file_that_is_not_there(train: Train, tmp_path: Path) -> None:
    settings = {**failing("nan", 12), "data_loader__batch_size": 1, "train__checkpoint_minutes": 0}
    with pytest.raises(LossError, match=r"checkpoint_epoch_1_step_10\.pt is kept\. No epoch was finished\.") as stopped:
        train(**settings)
    assert "weights.pt" not in str(stopped.value)


def test_a_nan_loss_names_the_fields_and_rows_that_hold_nan(train: Train, tmp_path: Path) -> None:
    image = np.random.default_rng(1).uniform(0, 16, (40, 4)).astype("f4")
    image[7, 2] = np.nan
    np.savez(tmp_path / "rows.npz", image=image, label=np.arange(40) % 10, object_id=np.arange(40) + 500)
    request = {"dataset_class": "NpzDataset", "data_location": str(tmp_path / "rows.npz")}
    with pytest.raises(LossError, match=r"the loss is NaN .* data/image holds NaN \(object_id 507\)\. "):
        train("plain.py:Plain", data_request__train__data=request, split__train=1.0)


def test_a_nan_in_validation_is_never_the_best(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(**failing("nan validation", 3), train__epochs=3)  # epoch 1 has a number
    losses = [record["validation/loss"] for record in run.metrics() if "validation/loss" in record]
    assert [math.isnan(loss) for loss in losses] == [False, True, True]
    best = run.facts_of(run.weights("best"))
    assert best is not None and (best.epoch, best.metric, best.score) == (1, "validation/loss", losses[0])
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("The validation loss")]
    assert len(said) == 1 and said[0].startswith(
        "The validation loss is nan in epoch 2. Such an epoch is never the best"
    )


def test_where_validation_is_never_a_number_the_training_loss_decides_and_that_is_said(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(**failing("nan validation", 0), train__epochs=4)
    losses = [record["training/epoch/loss"] for record in run.metrics() if "training/epoch/loss" in record]
    best = run.facts_of(run.weights("best"))
    assert best is not None and (best.metric, best.score) == ("training/epoch/loss", min(losses))
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("The validation loss")]
    words = f"never was a number: the best weights are those of the least training loss, of epoch {best.epoch}."
    assert len(said) == 2 and said[1] == f"The validation loss {words}"
    (summary,) = list_runs(run.path.parent)
    assert (summary.metric, summary.best_epoch) == ("training/epoch/loss", best.epoch)


def test_an_exception_in_the_class_is_one_line_with_its_place(train: Train, tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as failed:
        train(**failing("raise", 4))
    assert str(failed.value).startswith("Failing.train_step: ValueError: no such star (")
    assert "failing.py, line" in str(failed.value)
    assert "\n" not in str(failed.value)
    assert list_runs(tmp_path / "results")[0].state == "failed"
