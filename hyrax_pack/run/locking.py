"""One process at a time works in a run folder.

A POSIX record lock ends with its process, however that ends, and is not passed on to forked data loading workers.
Where the system or the file system has no such lock, nothing is locked.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyrax_pack.errors import TrainingError

LOCK_FILE = ".lock"


@contextmanager
def lock_folder(folder: Path, name: str = LOCK_FILE, *, wait: bool = False) -> Iterator[None]:
    """Hold `folder` for this process while the block runs.

    Raises
    ------
    TrainingError
        Another process holds it, and `wait` is not set.
    """
    try:
        handle = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:  # a read-only folder, to which nobody can write at the same time either
        yield
        return
    try:
        if not _acquire(handle, wait=wait):
            raise TrainingError(f"{folder}: another process is training in this run folder. Wait for it, or stop it.")
        yield
    finally:
        os.close(handle)


def is_locked(folder: Path, name: str = LOCK_FILE) -> bool:
    """Whether another living process holds `folder`."""
    try:
        handle = os.open(folder / name, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _acquire(handle, wait=False)
    finally:
        os.close(handle)


def _acquire(handle: int, *, wait: bool) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        # ENOLCK, ENOSYS, ENOTSUP: the file system has no locks. That must not keep anyone from training.
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True
