"""Ctrl-C and the scheduler's SIGTERM: finish the step, save, say how to go on. A second Ctrl-C stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Whether somebody asked training to stop; read once a step."""

    def __init__(self) -> None:
        self.asked = False


@contextmanager
def watch_signals(say: Callable[[str], None]) -> Iterator[Stop]:
    """Note SIGINT and SIGTERM while the block runs; elsewhere than in the main thread nothing is watched."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(number: int, _frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        again = " Ctrl-C again stops at once." if number == signal.SIGINT else ""
        say(f"Finishing this step, then saving.{again}")

    watched = [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.signal(number, note) for number in watched}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
