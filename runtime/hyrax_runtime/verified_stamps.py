"""Stamps in the user's cache: this very file was hashed before, so its weights need no second pass.

A stamp names device, inode, size, both times and the bundle id. Whoever can write to the user's cache, or set the clock
and the file's inode back, can forge one: it saves time, and no more is claimed. Deleting the cache is always safe.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import time

from hyrax_runtime.folders import user_cache_folder

Identity = tuple[int, int, int, int, int]


def is_stamped(identity: Identity, bundle_id: str) -> bool:
    """Whether this user's cache says that the file of this identity was found to be this bundle, whole."""
    try:
        stamp = _stamp_path(identity, bundle_id)
        if not _is_private(os.path.dirname(stamp)):
            return False
        with open(stamp, encoding="ascii") as file:
            return file.read() == _content(identity, bundle_id)
    except (OSError, ValueError):
        return False


def write_stamp(identity: Identity, bundle_id: str) -> None:
    """Say that the file of this identity is this bundle, whole. Silent where the cache cannot be written.

    A file changed within its file system's clock tick is not stamped: a second change could leave the times as
    they are.
    """
    if time.time_ns() - identity[4] < _clock_tick_ns(identity[4]):
        return
    try:
        stamp = _stamp_path(identity, bundle_id)
        folder = os.path.dirname(stamp)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if not _is_private(folder):
            return
        import tempfile  # late: most starts find a stamp and leave none

        handle, name = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(_content(identity, bundle_id))
        os.replace(name, stamp)
    except (OSError, ValueError) as error:
        import logging

        logging.getLogger(__name__).debug("no verified stamp for %s: %s", bundle_id, error)


def _clock_tick_ns(changed_ns: int) -> int:
    """How long two changes may share one time: a kernel tick, or 2 s where the file system keeps whole seconds."""
    return 100_000_000 if changed_ns % 1_000_000_000 else 2_100_000_000


def _content(identity: Identity, bundle_id: str) -> str:
    return " ".join([bundle_id, *map(str, identity)])


def _stamp_path(identity: Identity, bundle_id: str) -> str:
    name = hashlib.sha256(_content(identity, bundle_id).encode("ascii")).hexdigest()
    return os.path.join(user_cache_folder(), "verified", name)


def _is_private(folder: str) -> bool:
    """Whether nobody else may put a stamp here."""
    if sys.platform == "win32":
        return True
    found = os.stat(folder)
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
