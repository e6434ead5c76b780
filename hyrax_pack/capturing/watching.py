"""What a function does besides computing: files, folders, programs, connections, warnings.

Runs in the fresh process (see hyrax_pack.capturing.fresh_process): only the standard library is there.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# What Python announces before it happens (sys.addaudithook) and no to_tensor may do.
_MARKS = {
    "os.mkdir": "makes a folder",
    "os.remove": "removes a file",
    "os.rename": "renames a file",
    "os.rmdir": "removes a folder",
    "os.symlink": "makes a link",
    "os.link": "makes a link",
    "os.truncate": "writes a file",
    "os.system": "starts a program",
    "os.exec": "starts a program",
    "os.posix_spawn": "starts a program",
    "os.fork": "starts a process",
    "subprocess.Popen": "starts a program",
    "socket.connect": "opens a connection",
    "socket.bind": "opens a port",
}
_LISTING = frozenset({"os.listdir", "os.scandir", "glob.glob"})
# Where the system says what kind of machine it is, and where it keeps the rules of time zones that were named.
_SYSTEM = ("/proc", "/sys", "/dev/null", "/dev/urandom", "/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo")


class Watch:
    """What the function does besides computing, noted within `during`.

    Parameters
    ----------
    filename : str
        The name of the text in tracebacks.
    libraries : sequence of str
        Folders of installed code: what lies there may be read, as late imports do.
    """

    def __init__(self, filename: str, libraries: Sequence[str]) -> None:
        self.filename = filename
        self.marks: list[tuple[str, int]] = []
        self.warnings: set[tuple[str, int]] = set()
        self._open = False
        self._libraries = (*(str(Path(folder).resolve()) for folder in libraries), *_SYSTEM)
        sys.addaudithook(self._hear)

    @contextlib.contextmanager
    def during(self) -> Iterator[None]:
        """Watch the calls made in this block."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self._open = True
            try:
                yield
            finally:
                self._open = False
        for each in caught:
            line = each.lineno if each.filename == self.filename else 0
            self.warnings.add((f"{each.category.__name__}: {each.message}", line))

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._open:
            return
        self._open = False  # finding out what it is must not be heard
        try:
            what = self._mark(event, arguments)
            if what:
                self.marks.append((what, self._line()))
        finally:
            self._open = True
        if what:
            raise PermissionError(f"to_tensor {what}")

    def _mark(self, event: str, arguments: tuple[Any, ...]) -> str | None:
        if event == "open":
            return self._opening(*arguments)
        if event in _LISTING and not self._is_searched(arguments[0] or "."):
            return f"looks into the folder {arguments[0] or '.'}"
        return _MARKS.get(event)

    def _opening(self, path: Any, mode: str | None, flags: int) -> str | None:
        if isinstance(path, int) or path == os.devnull:  # a number is a file that was opened before, and heard then
            return None
        if any(letter in "wax+" for letter in mode) if mode else flags & _WRITING:
            return f"writes the file {os.fsdecode(path)}"
        found = Path(os.fsdecode(path))
        if self._is_of_a_library(path) or (found.is_absolute() and not found.exists()):
            return None  # looking for settings that are not there changes nothing
        return f"reads the file {found}"

    def _is_searched(self, folder: Any) -> bool:
        return folder in sys.path or self._is_of_a_library(folder)  # an import looks into each

    def _is_of_a_library(self, path: Any) -> bool:
        if isinstance(path, int):
            return True
        found = Path(os.fsdecode(path)).resolve()
        return any(found.is_relative_to(folder) for folder in self._libraries)

    def _line(self) -> int:
        frames = (frame.lineno or 0 for frame in traceback.extract_stack() if frame.filename == self.filename)
        return max(frames, default=0)
