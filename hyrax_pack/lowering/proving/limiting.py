"""How long one call with odd values may take: a loop that subtracts 360 until a value is small never ends for 1e30."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_AGAIN_S = 0.5  # for what catches everything, and goes on


class TookTooLong(BaseException):
    """The call was ended; no Exception, so that the function does not take it for one of its own."""


@contextmanager
def limited_time(limit_s: float) -> Iterator[None]:
    """Raise TookTooLong in the block when it has run for so long; where signals cannot be had, there is no limit."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
