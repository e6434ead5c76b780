"""One bundle on disk, held by one descriptor from the first byte read to the last."""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
import threading
import weakref
import zlib

from hyrax_runtime.errors import ChangedError, SizeError, UnreadableError

_BLOCK = 1 << 20


class StoredFile:
    """A regular file, open for reading by position: any thread, and a forked child, may read at any time.

    Attributes
    ----------
    path : str
        What was asked for.
    size : int
        In bytes, when it was opened.

    Raises
    ------
    UnreadableError
        There is no such file, it may not be read, or it is a folder, pipe or device.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
        flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            self._fd = os.open(path, flags)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UnreadableError(f"{path}: cannot be opened ({reason}); check the path and its permissions") from error
        self._closing = weakref.finalize(self, os.close, self._fd)  # whoever forgets to close it leaks nothing
        self._seeking = threading.Lock()
        self._opened = os.fstat(self._fd)
        self.size = self._opened.st_size
        if not stat.S_ISREG(self._opened.st_mode):
            kind = "a folder" if stat.S_ISDIR(self._opened.st_mode) else "no regular file"
            self.close()
            raise UnreadableError(f"{path}: is {kind}; expected a .hyrax file")

    def close(self) -> None:
        """Give the descriptor back; maps of the file stay valid."""
        self._closing()
        self._fd = -1

    def read_at(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes from `offset`.

        Raises
        ------
        SizeError
            The file ends before.
        UnreadableError
            The disk or network refuses, or the bundle was closed.
        """
        self._require_open()
        pieces: list[bytes] = []
        left = size
        while left:
            piece = self._read_some(offset + size - left, min(left, _BLOCK))
            if not piece:
                raise SizeError(
                    f"{self.path}: ends at byte {offset + size - left}, {left} bytes too soon; fetch it again"
                )
            pieces.append(piece)
            left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_some(self, offset: int, size: int) -> bytes:
        try:
            if hasattr(os, "pread"):
                return os.pread(self._fd, size, offset)
            with self._seeking:
                os.lseek(self._fd, offset, os.SEEK_SET)
                return os.read(self._fd, size)
        except OSError as error:
            raise UnreadableError(f"{self.path}: cannot be read at byte {offset} ({error.strerror})") from error

    def digests_at(self, offset: int, size: int) -> tuple[bytes, int]:
        """The sha256 and CRC-32 of `size` bytes from `offset`, in one pass through a small buffer.

        Reading is safe where a map is not: if the file shrinks meanwhile, a map would end the process with SIGBUS.
        """
        sha256, crc32 = hashlib.sha256(), 0
        for start in range(0, size, _BLOCK):
            block = self.read_at(offset + start, min(_BLOCK, size - start))
            sha256.update(block)
            crc32 = zlib.crc32(block, crc32)
        return sha256.digest(), crc32

    def map_at(self, offset: int, size: int) -> memoryview:
        """`size` bytes from `offset` as read-only shared memory; the map lives as long as a view of it does."""
        self._require_open()
        before = offset % mmap.ALLOCATIONGRANULARITY
        try:
            mapped = mmap.mmap(self._fd, before + size, access=mmap.ACCESS_READ, offset=offset - before)
        except ValueError as error:
            raise SizeError(f"{self.path}: became shorter while it was being opened; fetch it again") from error
        except OSError as error:
            raise UnreadableError(f"{self.path}: cannot be mapped into memory ({error.strerror})") from error
        return memoryview(mapped)[before:]

    def identity(self) -> tuple[int, int, int, int, int]:
        """Device, inode, size, and when content and inode were last changed: another file, another tuple."""
        found = self._stat()
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def require_unchanged(self) -> None:
        """Raise ChangedError if the file was written to since it was opened.

        The inode's own time is not looked at: renaming another file over this one changes it, and is safe.
        """
        found = self._stat()
        if (found.st_size, found.st_mtime_ns) != (self.size, self._opened.st_mtime_ns):
            raise ChangedError(
                f"{self.path}: was written to while it was being read; replace bundles with a rename, never in place"
            )

    def _stat(self) -> os.stat_result:
        self._require_open()
        return os.fstat(self._fd)

    def _require_open(self) -> None:
        if self._fd < 0:
            raise UnreadableError(f"{self.path}: the bundle was closed; open it again")
