"""Files that are either there whole or not there: written beside their place, flushed to the disk, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from hyrax_pack.errors import StorageError, TrainingError

TEMPORARY = ".partial"


@contextmanager
def replace_file(path: Path, *, announce: Callable[[Path], None] | None = None) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well, it takes the place of `path`.

    `announce` is called with the finished file, just before.

    Raises
    ------
    StorageError
        The disk refuses; `path` is then what it was before.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if announce is not None:
            announce(temporary)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError.of(path, error) from error
    finally:
        with suppress(OSError):  # where nothing can be written, nothing can be removed either
            temporary.unlink(missing_ok=True)


@contextmanager
def replace_by_whatever(path: Path, by: str, *, announce: Callable[[Path], None]) -> Iterator[Path]:
    """Do the same for code that is not ours: the one file that it makes is taken, under whatever ending it gave it.

    The temporary path has the name of `path`, in a folder of its own; `by` says whose code it is, for messages.

    Raises
    ------
    TrainingError
        It made no file, or several.
    StorageError
        The disk refuses.
    """
    folder = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        folder.mkdir()
        yield folder / path.name
        made = _only_file(folder, path.name, by)
        with made.open("rb+") as file:
            os.fsync(file.fileno())
        announce(made)
        made.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError.of(path, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _only_file(folder: Path, name: str, by: str) -> Path:
    made = sorted(folder.iterdir())
    if len(made) == 1 and made[0].is_file():
        return made[0]
    found = ", ".join(each.name for each in made)
    raise TrainingError(f"{by}: made {found or 'no file'}; expected one file, {name}, at the path that it is given")


def write_file(path: Path, content: bytes | str) -> None:
    """Write `content` to `path`, whole or not at all."""
    data = content.encode() if isinstance(content, str) else content
    with replace_file(path) as temporary:
        temporary.write_bytes(data)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` last through a power failure, where the system knows such a thing."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def drop_partial_files(folder: Path) -> None:
    """Remove what a killed process left half-written."""
    for leftover in folder.glob(f"*{TEMPORARY}"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


class WatchedFile:
    """A binary file for torch.save, which remembers the OSError that torch turns into a RuntimeError."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write all of `data`."""
        try:
            return self._file.write(data)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        """Hand everything to the system."""
        self._file.flush()
