"""`metrics.jsonl`: the truth of a run, one JSON object a line. No clock: two equal runs have equal files.

A record holds `epoch` (from 1), `step` (training steps since the start) and metrics under the names that MLflow shows:
`training/<m>` every ten steps, `training/epoch/<m>` and `validation/<m>` once an epoch, `test/<m>` once a run.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from hyrax_pack.errors import StorageError

# The figures that epochs are compared by.
VALIDATION_LOSS, TRAINING_LOSS = "validation/loss", "training/epoch/loss"

# A record: epoch and step are int, metrics are float.
Record = dict[str, float]

# JSON has no name for these; a reader in any language can tell them from numbers.
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Journal:
    """The open `metrics.jsonl` of a run; every record is handed to the system at once.

    Parameters
    ----------
    path : Path
        The file; made when it does not exist.
    keep : int
        Bytes that stand in a checkpoint as written; the rest, from after the checkpoint, is cut off.

    Raises
    ------
    StorageError
        The disk refuses. `size` bytes are still sound.
    """

    def __init__(self, path: Path, *, keep: int = 0) -> None:
        self.path = path
        self.size = keep
        try:
            # Not append mode: O_APPEND would ignore the position after a cut on some network file systems.
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            found = os.fstat(self._file).st_size
            if found < keep:
                raise StorageError(
                    f"{path}: {found} bytes, but the checkpoint was written when it held {keep}; it was cut or "
                    "replaced. Restore it, or start a new run."
                )
            os.ftruncate(self._file, keep)
            os.lseek(self._file, keep, os.SEEK_SET)
        except OSError as error:
            raise StorageError.of(path, error) from error

    def append(self, record: Mapping[str, float]) -> None:
        """Add one record at the end."""
        line = (json.dumps({key: _plain(value) for key, value in record.items()}) + "\n").encode()
        try:
            written = os.write(self._file, line)
            if written < len(line):  # a disk with room for a part of the line only; the next call names the reason
                written += os.write(self._file, line[written:])
        except OSError as error:
            raise StorageError.of(self.path, error) from error
        self.size += written

    def sync(self) -> None:
        """Make what was added last through a power failure."""
        try:
            os.fsync(self._file)
        except OSError as error:
            raise StorageError.of(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def rank(metric: str, score: float) -> tuple[bool, float]:
    """How good an epoch is, the least is best: by its validation loss before one that has only a training loss."""
    return metric != VALIDATION_LOSS, score


def read_records(path: Path) -> Iterator[Record]:
    """Every whole record of `path`, in order; a line that is still being written is left out."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield parse_record(line)


def parse_record(line: bytes | str) -> Record:
    """One line of the journal."""
    return {key: _NOT_FINITE.get(value, value) for key, value in json.loads(line).items()}


def _plain(value: float) -> float | str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
