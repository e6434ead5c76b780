"""The user's trust store: `hyrax/trust.toml` in the data folder, one table for each text that may run.

    [sources.5f0c…]                       sha256 of to_tensor.py, in hex
    origin = "/home/v/cutouts.hyrax"      where it was seen, for people
    recorded = 2026-11-23T10:00:00Z

Only a file and folder that nobody else may write to is believed.
"""

from __future__ import annotations

import datetime
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hyrax_runtime.errors import TrustStoreError, UsageError
from hyrax_runtime.folders import NoHomeError, user_data_folder
from hyrax_runtime.frozen import Frozen

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_SIZE = 4 << 20
_LOCK_WAIT_S = 10.0
_HEADING = """\
# The Python texts that bundles may run for this user, by their sha256.
# See them: hyrax-run trust --list. Take one back: hyrax-run trust --revoke SHA256.
"""


class Trusted(Frozen):
    """One text that may run: its sha256 in hex, where it was seen, and when that was said."""

    sha256: str
    origin: str
    recorded: datetime.datetime


def _own_path() -> Path:
    try:
        return Path(user_data_folder(), "trust.toml")
    except NoHomeError as error:
        raise TrustStoreError(f"there is no trust store: {error}, or pin the bundle: --trust sha256:…") from error


def record_trust(source_sha256: str, origin: str) -> None:
    """Let the text of `to_tensor` with this sha256 (hex) run for this user; `origin` says where it came from.

    Raises
    ------
    TrustStoreError
        The store cannot be written.
    """
    TrustStore().add(source_sha256, origin)


class TrustStore:
    """The trust store at `path`, this user's own by default. Every method reads the file anew."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = _own_path() if path is None else path

    def __contains__(self, sha256: object) -> bool:
        return any(row.sha256 == sha256 for row in self.rows())

    def rows(self) -> tuple[Trusted, ...]:
        """What is trusted, in the order of the digests; nothing where there is no store yet.

        Raises
        ------
        TrustStoreError
            The store cannot be read, is no such TOML, or others may write to it.
        """
        import tomllib  # a pinned bundle never asks the store

        try:
            with self.path.open("rb") as file:
                self._require_private(os.fstat(file.fileno()), self.path)
                self._require_private(self.path.parent.stat(), self.path.parent)
                text = file.read(_MAX_SIZE + 1)
            if len(text) > _MAX_SIZE:
                raise TrustStoreError(f"{self.path}: over {_MAX_SIZE} bytes; move it away and trust anew")
            return tuple(sorted(self._parse(tomllib.loads(text.decode("utf-8"))), key=lambda row: row.sha256))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise TrustStoreError(f"{self.path}: cannot be read ({error.strerror}); mend or remove it") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise TrustStoreError(f"{self.path}: is no TOML ({error}); mend or remove it") from error

    def add(self, sha256: str, origin: str) -> None:
        """Let the text with this sha256 (64 lower-case hex digits) run; `origin` is for people.

        Raises
        ------
        UsageError
            `sha256` is none.
        TrustStoreError
            The store cannot be written.
        """
        _require_sha256(sha256)
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        with self._alone():
            rows = {row.sha256: row for row in self.rows()}
            rows[sha256] = Trusted(sha256, origin[:4096], now)
            self._write(rows)

    def revoke(self, sha256: str) -> bool:
        """Take one text back; False where it was not trusted. Raises as `add` does."""
        _require_sha256(sha256)
        with self._alone():
            rows = {row.sha256: row for row in self.rows()}
            found = rows.pop(sha256, None) is not None
            if found:
                self._write(rows)
        return found

    def _parse(self, content: dict[str, Any]) -> Iterator[Trusted]:
        sources = content.get("sources", {})
        if not isinstance(sources, dict):
            raise TrustStoreError(f"{self.path}: 'sources' is no table; mend or remove it")
        for sha256, row in sources.items():
            origin, recorded = (row.get("origin"), row.get("recorded")) if isinstance(row, dict) else (None, None)
            if not (_SHA256.fullmatch(sha256) and isinstance(origin, str) and isinstance(recorded, datetime.datetime)):
                raise TrustStoreError(
                    f"{self.path}: sources.{sha256[:80]!r} is no entry of a trust store; mend or remove it"
                )
            yield Trusted(sha256, origin, recorded)

    def _require_private(self, found: os.stat_result, path: Path) -> None:
        if sys.platform == "win32":
            return
        if found.st_uid not in (os.geteuid(), 0) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise TrustStoreError(f"{path}: others may write to it, so it is not believed; run: chmod go-w {path}")

    def _write(self, rows: dict[str, Trusted]) -> None:
        """Put a new store in the old one's place, in one step."""
        tables = [
            f"\n[sources.{row.sha256}]\norigin = {_toml_text(row.origin)}\nrecorded = {row.recorded.isoformat()}\n"
            for _, row in sorted(rows.items())
        ]
        try:
            import tempfile  # late: reading needs none

            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".trust-")
            try:
                with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                    file.write(_HEADING + "".join(tables))
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self.path)
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the store's lock, so that two exports at once both leave their entry."""
        lock = self.path.with_name("trust.lock")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            _lock(handle, lock)
            yield
        finally:
            os.close(handle)

    def _unwritable(self, error: OSError) -> TrustStoreError:
        return TrustStoreError(
            f"{self.path}: cannot be written ({error.strerror}); make the folder writable, or pin the file with --trust"
        )


def _lock(handle: int, path: Path) -> None:
    """Wait for the lock on an open file; closing the file gives it back."""
    until = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            _try_lock(handle)
        except OSError as error:
            if time.monotonic() > until:
                raise TrustStoreError(f"{path}: another process has held it for {_LOCK_WAIT_S:.0f} s") from error
            time.sleep(0.02)
        else:
            return


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try_lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _toml_text(text: str) -> str:
    """`text` as a TOML basic string; what cannot stand in one is replaced."""
    plain = text.encode("utf-8", "replace").decode("utf-8").replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04X}" for c in plain) + '"'


def _require_sha256(sha256: str) -> None:
    if not _SHA256.fullmatch(sha256):
        raise UsageError(f"{sha256!r}: expected the sha256 of a to_tensor.py, 64 lower-case hex digits")
