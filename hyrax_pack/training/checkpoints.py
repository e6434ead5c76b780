"""Checkpoints: everything needed to go on, in one file that is there whole or not at all.

`checkpoint_epoch_3.pt` was written after epoch 3; `checkpoint_epoch_3_step_17.pt` after 17 steps of epoch 3, because
somebody stopped training or because time had passed. There is one of the latter at most, until its epoch ends. Nothing
in them is executed when they are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import torch

from hyrax_pack.errors import StorageError, TrainingError
from hyrax_pack.run.weights import read_tensors
from hyrax_pack.run.writing import WatchedFile, drop_partial_files, replace_file

FORMAT = 1
_NAME = re.compile(r"checkpoint_epoch_(?P<epoch>\d+)(?:_step_(?P<step>\d+))?\.pt")


@dataclass
class Position:
    """Where a run stands.

    Attributes
    ----------
    epoch : int
        The epoch under way, from 1.
    batch : int
        Its batches that are done. All of them, where only validation is left.
    step : int
        Training steps since the start of the run.
    metric, score : str, float
        The figure that the epoch that was finished last is chosen by, and its value.
    best_epoch : int
        The epoch with the best weights; 0 before the first.
    best_metric, best_score : str, float
        What it was chosen by.
    scheduler_steps : int
        How often the scheduler had stepped when the epoch under way began.
    scheduled_by_class : bool
        Whether the class was seen to step it.
    """

    epoch: int = 1
    batch: int = 0
    step: int = 0
    metric: str = ""
    score: float = float("inf")
    best_epoch: int = 0
    best_metric: str = ""
    best_score: float = float("inf")
    scheduler_steps: int = 0
    scheduled_by_class: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds beside the position.

    Attributes
    ----------
    position : Position
        Where the run goes on.
    journal_size : int
        Bytes of metrics.jsonl that belong to it.
    means : list of dict
        Sums of the epoch under way of each process, by rank; empty between epochs.
    random : list of dict
        The random state of each process, by rank.
    model : dict
        From `ModelState.capture`.
    identity : dict
        `class`, `to_tensor_sha256`, `settings_sha256`, `seed`: whose state this is.
    figures : dict or None
        Of the epoch under way, where its hooks have run and only validation is left.
    """

    position: Position
    journal_size: int
    means: list[dict[str, list[float]]]
    random: list[dict[str, Any]]
    model: dict[str, Any]
    identity: dict[str, str] = field(default_factory=dict)
    figures: dict[str, float] | None = None


def checkpoint_path(folder: Path, position: Position) -> Path:
    """The file for a run that stands at `position`."""
    if position.batch == 0:
        return folder / f"checkpoint_epoch_{position.epoch - 1}.pt"
    return folder / f"checkpoint_epoch_{position.epoch}_step_{position.batch}.pt"


def write_checkpoint(folder: Path, checkpoint: Checkpoint, *, keep: int | None = None) -> Path:
    """Write a checkpoint, then remove those that are no longer needed.

    Parameters
    ----------
    keep : int or None
        How many to keep of those between epochs; None: all.

    Raises
    ------
    StorageError
        The disk refuses; all earlier checkpoints are still there.
    """
    path = checkpoint_path(folder, checkpoint.position)
    save_tensors(path, {"format": FORMAT, **vars(checkpoint), "position": vars(checkpoint.position)})
    others = [other for other in list_checkpoints(folder) if other != path]
    whole = [other for other in others if not _is_within(other)]
    for old in [*filter(_is_within, others), *([] if keep is None else whole[max(keep - 1, 0) :])]:
        old.unlink(missing_ok=True)
    return path


def _is_within(path: Path) -> bool:
    """Whether a checkpoint was written in the middle of an epoch."""
    return "_step_" in path.name


def save_tensors(path: Path, content: Any, *, announce: Callable[[Path], None] | None = None) -> None:
    """`torch.save`, whole or not at all; `announce` is as in `replace_file`.

    Raises
    ------
    StorageError
        The disk refuses; what stood at `path` before still stands.
    """
    with replace_file(path, announce=announce) as temporary, temporary.open("wb") as raw:
        file = WatchedFile(raw)
        try:
            torch.save(content, cast("IO[bytes]", file))
        except RuntimeError as error:
            if file.failure is None:
                raise
            raise StorageError.of(path, file.failure) from error


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, the one that is furthest on first."""
    found = []
    for path in folder.glob("checkpoint_epoch_*.pt"):
        match = _NAME.fullmatch(path.name)
        if match:
            epoch, step = int(match["epoch"]), match["step"]
            found.append(((epoch, 0) if step is None else (epoch - 1, int(step)), path))
    return [path for _, path in sorted(found, reverse=True)]


def newest_checkpoint(folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The state to go on with; None where the run has to begin at its beginning.

    A file that cannot be read is said to be so, and the one before it is taken.

    Raises
    ------
    TrainingError
        There are checkpoints, and none of them can be read: to begin anew would throw them away.
    """
    drop_partial_files(folder)
    paths = list_checkpoints(folder)
    for number, path in enumerate(paths):
        try:
            checkpoint = read_checkpoint(path)
            for old in filter(_is_within, paths[number + 1 :]):  # a kill came before it was removed
                old.unlink(missing_ok=True)
            return checkpoint
        except TrainingError as error:
            if path is paths[-1]:
                raise TrainingError(
                    f"{error}; there is none before it that can be read. Put it back, or start a new run: this one "
                    "would begin at its beginning, and throw away what it has"
                ) from error
            say(f"{error}; going back to the one before")
    return None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint onto the CPU.

    Raises
    ------
    TrainingError
        It is damaged, or of a format that this version does not know.
    """
    try:
        content = read_tensors(path)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: unreadable checkpoint ({error})") from error
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        raise TrainingError(f"{path}: not a checkpoint of format {FORMAT}")
    known = {name: value for name, value in content.items() if name != "format"}
    return Checkpoint(**{**known, "position": Position(**content["position"])})
