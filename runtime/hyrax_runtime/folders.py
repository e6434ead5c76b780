"""Where this user's own files stand: the trust store in the data folder, stamps in the cache folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path


class NoHomeError(OSError):
    """There is no place for this user's own files."""


def user_data_folder() -> Path:
    """`hyrax` in the user's data folder: XDG_DATA_HOME, or what stands for it on macOS and Windows. May not exist."""
    return _user_folder("XDG_DATA_HOME", ".local/share", "Library/Application Support", "hyrax")


def user_cache_folder() -> Path:
    """`hyrax` in the user's cache folder. May not exist; whatever it holds may be deleted at any time."""
    return _user_folder("XDG_CACHE_HOME", ".cache", "Library/Caches", "hyrax/cache")


def _user_folder(variable: str, elsewhere: str, on_macos: str, on_windows: str) -> Path:
    given = Path(os.environ.get(variable, ""))
    if given.is_absolute():  # the XDG specification has relative paths ignored
        return given / "hyrax"
    try:
        home = Path.home()
    except RuntimeError as error:  # a container's user without an entry in passwd, and no HOME
        raise NoHomeError(f"this user has no home folder; set HOME or {variable}") from error
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local") / on_windows
    return home / (on_macos if sys.platform == "darwin" else elsewhere) / "hyrax"
