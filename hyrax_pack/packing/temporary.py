"""A file that grows beside its goal and is gone unless it was renamed; what killed writers left is cleared away."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hyrax_pack.errors import PackError

# Younger files may be between being made and being locked.
_ABANDONED_S = 60.0


@contextmanager
def temporary_beside(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file in the folder of `path`, open for writing.

    Raises
    ------
    PackError
        The folder is missing, closed to us or full; `path` is a folder.
    """
    if path.is_dir():
        raise PackError(f"{path}: is a folder; give the bundle a file name")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")
    try:
        # Not the tempfile module's 0600: a bundle is as readable as the user's umask makes any new file.
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:
        raise PackError(f"{path}: cannot be written ({error.strerror}); nothing was left behind") from error
    lock = os.dup(handle)
    try:
        with os.fdopen(handle, "wb") as file:
            _try_lock(lock)
            _clear_abandoned(path)
            yield temporary, file
    except OSError as error:
        cure = "; free some space and export again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        reason = error.strerror or error
        raise PackError(f"{path}: cannot be written ({reason}); nothing was left behind{cure}") from error
    finally:
        os.close(lock)
        temporary.unlink(missing_ok=True)


def _clear_abandoned(path: Path) -> None:
    """Remove what writers of the same file left that were killed: nobody holds the lock of those."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        try:
            if time.time() - leftover.stat().st_mtime < _ABANDONED_S:
                continue
            handle = os.open(leftover, os.O_RDONLY)
            try:
                if _try_lock(handle):
                    leftover.unlink()
            finally:
                os.close(handle)
        except OSError:
            continue  # gone meanwhile, or another user's: not ours to clear


if sys.platform == "win32":

    def _try_lock(handle: int) -> bool:
        return False  # a writer that was killed leaves its file to the user

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
