"""Where this user's own files stand: the trust store in the data folder, stamps in the cache folder.

Texts joined by `os.path`, since every start with a stamp comes by here: pathlib brings urllib and ipaddress, 4 ms.
"""

from __future__ import annotations

import os
import sys


class NoHomeError(OSError):
    """There is no place for this user's own files."""


def user_data_folder() -> str:
    """`hyrax` in the user's data folder: XDG_DATA_HOME, or what stands for it on macOS and Windows. May not exist."""
    return _user_folder("XDG_DATA_HOME", ".local/share", "Library/Application Support", "hyrax")


def user_cache_folder() -> str:
    """`hyrax` in the user's cache folder. May not exist; whatever it holds may be deleted at any time."""
    return _user_folder("XDG_CACHE_HOME", ".cache", "Library/Caches", "hyrax/cache")


def _user_folder(variable: str, elsewhere: str, on_macos: str, on_windows: str) -> str:
    given = os.environ.get(variable, "")
    if os.path.isabs(given):  # the XDG specification has relative paths ignored
        return os.path.join(given, "hyrax")
    home = os.path.expanduser("~")
    if home == "~":  # a container's user without an entry in passwd, and no HOME
        raise NoHomeError(f"this user has no home folder; set HOME or {variable}")
    if sys.platform == "win32":
        return os.path.join(os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData/Local"), on_windows)
    return os.path.join(home, on_macos if sys.platform == "darwin" else elsewhere, "hyrax")
