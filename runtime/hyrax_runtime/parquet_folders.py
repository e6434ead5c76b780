"""Which files of a folder hold its rows. Needs no pyarrow."""

from __future__ import annotations

import os
from pathlib import Path

from hyrax_runtime.frozen import Frozen

PARQUET_ENDINGS = (".parquet", ".pq")
_NAMED = 5  # of what is left out


class FoundFiles(Frozen):
    """The files to read, in the order of their names, and the names of what lies beside them.

    Hidden files are neither: a desktop puts `._a.parquet` beside `a.parquet`. Nor is what Spark and others keep of
    their own, such as `_SUCCESS`.
    """

    folder: Path
    files: tuple[Path, ...]
    left_out: tuple[str, ...] = ()

    @property
    def notice(self) -> str:
        """What is left out and why, in one line; empty where nothing is."""
        if not self.left_out:
            return ""
        named = ", ".join(self.left_out[:_NAMED])
        more = f" and {len(self.left_out) - _NAMED} more" if len(self.left_out) > _NAMED else ""
        return f"{self.folder}: only *.parquet and *.pq files of the folder itself are read; left out: {named}{more}"


def find_parquet_files(path: Path) -> FoundFiles:
    """Return the file, or the `*.parquet` and `*.pq` files of a folder in the order of their names.

    Raises
    ------
    OSError
        The folder may not be read.
    """
    if not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
        return FoundFiles(path, (path,))
    seen = sorted((each for each in path.iterdir() if not each.name.startswith(".")), key=lambda each: each.name)
    files = [each for each in seen if each.suffix.lower() in PARQUET_ENDINGS]
    beside = [each for each in seen if each not in files and not each.name.startswith("_")]
    return FoundFiles(path, tuple(files), tuple(f"{each.name}/" if each.is_dir() else each.name for each in beside))


def why_no_file(path: Path) -> str:
    """Say why there is nothing in a path to open and read; empty where there is, or where nothing stands at all."""
    if path.is_dir():
        return "is a folder; folders within a folder are not read, give it by itself"
    if path.exists() and not path.is_file():  # opening a pipe that nobody writes to would wait for ever
        return "is no regular file; save the rows as Parquet"
    return ""
