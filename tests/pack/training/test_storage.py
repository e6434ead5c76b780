"""A disk that is full or may not be written: one line that names the path, and nothing saved is lost."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hyrax_pack.errors import StorageError, TrainingError
from hyrax_pack.run import Journal, newest_run, read_records, replace_file, write_file
from hyrax_pack.training import train_run
from hyrax_pack.training.checkpoints import list_checkpoints, newest_checkpoint, read_checkpoint, save_tensors
from tests.pack.training.conftest import MakeConfig, Train, contents, in_child


def with_small_files(action: Callable[[], object], size_bytes: int, expected: str) -> None:
    """Run `action` in a process that may write no file larger than `size_bytes`, as on a full disk."""

    def body() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))
        with pytest.raises(StorageError) as refused:
            action()
        assert expected in str(refused.value), str(refused.value)
        assert "\n" not in str(refused.value)

    assert in_child(body) == 0


def test_a_full_disk_names_the_path_and_what_was_saved_stays(
    train: Train, config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = contents(train(train__epochs=3))
    size = (newest_run(tmp_path / "results").path / "checkpoint_epoch_1.pt").stat().st_size

    def until_full() -> None:
        real = save_tensors

        def full_at_the_second(path: Path, content: object) -> None:
            if path.name == "checkpoint_epoch_2.pt":
                resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size))
            real(path, content)

        monkeypatch.setattr("hyrax_pack.training.checkpoints.save_tensors", full_at_the_second)
        train(train__epochs=3)

    with_small_files(until_full, size * 10, "checkpoint_epoch_2.pt: cannot be written: File too large")
    run = newest_run(tmp_path / "results")
    assert sorted(path.name for path in run.path.glob("*.pt")) == [
        "checkpoint_epoch_1.pt", "last.answers.pt", "last.pt", "weights.answers.pt", "weights.pt",
    ]  # fmt: skip
    assert not list(run.path.glob("*.partial"))
    assert contents(train_run(None, resume=run.path, progress=False, track=False)) == expected


def test_a_journal_that_cannot_grow_names_its_path(tmp_path: Path) -> None:
    def write_much() -> None:
        journal = Journal(tmp_path / "metrics.jsonl")
        for step in range(1000):
            journal.append({"epoch": 1, "step": step, "training/loss": 0.5})

    with_small_files(write_much, 4096, "metrics.jsonl: cannot be written: File too large")
    steps = [int(record["step"]) for record in read_records(tmp_path / "metrics.jsonl")]
    assert steps == list(range(len(steps)))


def test_a_results_folder_that_cannot_be_made_is_named(train: Train, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/results: no run folder can be made here: Not a directory"):
        train(general__results_dir=str(tmp_path / "file" / "results"))


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    write_file(tmp_path / "state", "old")
    with pytest.raises(RuntimeError), replace_file(tmp_path / "state") as temporary:
        temporary.write_text("ne")
        raise RuntimeError
    assert (tmp_path / "state").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_folder_that_takes_and_gives_up_no_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("no folder: as little can be removed there as written")
    with pytest.raises(StorageError, match=r"folder/run\.json: cannot be written: Not a directory"):
        write_file(tmp_path / "folder" / "run.json", "{}")


def test_a_damaged_checkpoint_is_said_and_the_one_before_is_taken(train: Train) -> None:
    run = train(train__epochs=3)
    newest = list_checkpoints(run.path)[0]
    newest.write_bytes(newest.read_bytes()[:1000])
    said: list[str] = []
    checkpoint = newest_checkpoint(run.path, said.append)
    assert checkpoint is not None
    assert checkpoint.position.epoch == 3
    assert said[0].startswith(f"{newest}: unreadable checkpoint (")
    assert said[0].endswith("going back to the one before")


def test_a_run_does_not_begin_anew_while_it_has_checkpoints_that_nobody_can_read(train: Train) -> None:
    run = train(train__epochs=3)
    for path in list_checkpoints(run.path):
        path.write_bytes(b"junk")
    run.note({"state": "interrupted"})
    with pytest.raises(
        TrainingError, match=r"checkpoint_epoch_1\.pt: unreadable checkpoint .*none before it that can be"
    ):
        train_run(None, resume=run.path, progress=False, track=False)
    assert run.weights("best").is_file()


def test_weights_that_nobody_could_read_are_refused_before_the_first_epoch(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TrainingError, match=r"NumpyState\.get_extra_state .*numpy.*return tensors and plain values"):
        train("plain.py:NumpyState")
    assert "epoch 1" not in capsys.readouterr().err


def test_what_was_written_first_is_read_back_at_once(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that takes a file and does not give it back."""
    real = torch.save

    def lost(content: object, file: object) -> None:
        real({"lost": torch.zeros(1)}, file)

    monkeypatch.setattr(torch, "save", lost)
    with pytest.raises(TrainingError, match=r"checkpoint_epoch_1\.pt: not a checkpoint of format 1"):
        train()


def test_reading_a_checkpoint_executes_nothing(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "executed",)

    torch.save({"format": 1, "model": Payload()}, tmp_path / "checkpoint_epoch_1.pt")
    with pytest.raises(TrainingError, match="unreadable checkpoint"):
        read_checkpoint(tmp_path / "checkpoint_epoch_1.pt")
    assert not (tmp_path / "executed").exists()


def test_three_checkpoints_are_kept(train: Train) -> None:
    run = train(train__epochs=5)
    assert [path.name for path in list_checkpoints(run.path)] == [f"checkpoint_epoch_{epoch}.pt" for epoch in (5, 4, 3)]


def test_a_checkpoint_within_an_epoch_that_a_kill_left_behind_is_removed(train: Train) -> None:
    run = train(train__epochs=2)
    left = run.path / "checkpoint_epoch_2_step_3.pt"
    left.write_bytes((run.path / "checkpoint_epoch_1.pt").read_bytes())
    assert newest_checkpoint(run.path, print) is not None
    assert not left.exists()


def test_a_journal_that_was_cut_behind_our_back_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(StorageError, match="3 bytes, but the checkpoint was written when it held 80"):
        Journal(tmp_path / "metrics.jsonl", keep=80)


def test_a_line_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1, "step": 1, "loss": "NaN"}\n{"epoch": 1, "st')
    (record,) = read_records(tmp_path / "metrics.jsonl")
    assert record["step"] == 1
    assert record["loss"] != record["loss"]


def test_weights_of_another_model_are_refused_by_name(train: Train, tmp_path: Path) -> None:
    torch.save({"elsewhere.weight": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(TrainingError, match=r"other.pt: these are not the weights of Plain: RuntimeError"):
        train(train__model_weights_file=str(tmp_path / "other.pt"))


def test_a_weights_file_that_is_not_one_is_refused(train: Train, tmp_path: Path) -> None:
    (tmp_path / "notes.pt").write_text("not weights")
    with pytest.raises(TrainingError, match=r"notes.pt: not a state_dict that torch.save wrote"):
        train(train__model_weights_file=str(tmp_path / "notes.pt"))
    with pytest.raises(TrainingError, match=r"missing.pt: cannot be read: No such file"):
        train(train__model_weights_file=str(tmp_path / "missing.pt"))
