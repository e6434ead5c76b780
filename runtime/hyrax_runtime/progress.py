"""A line of progress on stderr, where somebody is looking; nothing at all where not."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

INTERVAL_S = 0.1


class Progress:
    """Rows done of rows in all, the rate, and how long it will take. Close it, so that the line is cleared."""

    def __init__(self, total: int, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._shown = self._stream is not None and self._stream.isatty()
        self._clock = clock
        self._total = total
        self._rows = 0
        self._began = self._drawn = clock()

    def add(self, rows: int) -> None:
        """Count rows, and redraw at most ten times a second."""
        self._rows += rows
        now = self._clock()
        if not self._shown or now - self._drawn < INTERVAL_S:
            return
        self._drawn = now
        rate = self._rows / (now - self._began)
        left_s = (self._total - self._rows) / rate if rate else 0.0
        share = self._rows / self._total if self._total else 1.0
        filled = "#" * round(24 * share)
        line = f"[{filled:<24}] {self._rows:,}/{self._total:,} rows  {rate:,.0f} rows/s  {left_s:.0f} s left"
        self._stream.write(f"\r{line}\x1b[K")
        self._stream.flush()

    def close(self) -> None:
        """Clear the line."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
