"""Bytes that are appended once and then read in any order: in memory while there are few, else in a file.

The file has no name and vanishes with the process, killed or not. It is read by offset, so forked workers share it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import threading
import weakref
from pathlib import Path
from typing import IO, Any

import numpy as np
from hyrax_runtime.folders import user_cache_folder
from numpy.typing import NDArray

from hyrax_pack.errors import DataError


class Spool:
    """Appended, then read by offset.

    Parameters
    ----------
    what : str
        Whose bytes these are, for messages.
    limit_bytes : int
        How many are kept in memory before all go to a file.
    """

    def __init__(self, what: str, limit_bytes: int) -> None:
        self.size = 0
        self._what = what
        self._limit = limit_bytes
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()

    @property
    def memory_bytes(self) -> int:
        """How many bytes are held in memory."""
        return len(self._memory)

    def append(self, values: NDArray[Any]) -> None:
        """Append the bytes of an array, in C order.

        Raises
        ------
        DataError
            The disk is full, or no file can be made.
        """
        view = _bytes_of(np.ascontiguousarray(values))
        try:
            if self._file is None and self.size + len(view) > self._limit:
                self._file = _nameless_file()
                weakref.finalize(self, self._file.close)
                self._file.write(self._memory)
                self._memory = bytearray()
            if self._file is None:
                self._memory += view
            else:
                self._file.write(view)
        except OSError as error:
            raise DataError(self._no_room(error)) from error
        self.size += len(view)

    def finish(self) -> None:
        """Make what was appended readable."""
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                raise DataError(self._no_room(error)) from error

    def read_into(self, target: NDArray[Any], offset: int) -> None:
        """Fill an array (C order) with the bytes from `offset` on."""
        view = _bytes_of(target)
        if self._file is None:
            view[:] = memoryview(self._memory)[offset : offset + len(view)]
        elif len(view) and self._read_file(self._file, view, offset) != len(view):
            raise DataError(f"{self._what}: the spool file is shorter than what was written to it")

    def _read_file(self, file: IO[bytes], view: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(file.fileno(), [view], offset)
        with self._lock:  # where there is no read by offset, the position is shared
            file.seek(offset)
            return file.readinto(view)  # type: ignore[attr-defined, no-any-return]

    def _no_room(self, error: OSError) -> str:
        why = "no space left" if error.errno == errno.ENOSPC else error.strerror
        folder = user_cache_folder()
        return f"{self._what}: rows cannot be laid out in {folder}: {why}; point XDG_CACHE_HOME to a larger disk"


def _bytes_of(array: NDArray[Any]) -> memoryview:
    """The memory of an array in C order; an array without values has none to show."""
    return memoryview(array.reshape(-1).view(np.uint8).data)


def _nameless_file() -> IO[bytes]:
    # Not the system's temporary folder, which is often held in memory.
    folder = Path(user_cache_folder())
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder if os.access(folder, os.W_OK) else None)
