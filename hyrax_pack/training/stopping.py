"""Ctrl-C, the scheduler's SIGTERM, a terminal that is gone: finish the step, save, say how to go on.

A second one stops at once, and so does one that comes while there is no step to finish.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Windows has no SIGHUP.
_WATCHED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

Handler = Callable[[int, FrameType | None], None]


class Stop:
    """Whether somebody asked training to stop; read once a step."""

    def __init__(self) -> None:
        self.asked = False


@contextmanager
def watch_signals(say: Callable[[str], None]) -> Iterator[Stop]:
    """Note signals that ask to end while the block runs."""
    stop = Stop()

    def note(number: int, _frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        again = " Ctrl-C again stops at once." if number == signal.SIGINT else ""
        say(f"Finishing this step, then saving.{again}")

    with _handled_by(note):
        yield stop


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Let every signal that asks to end be a KeyboardInterrupt while the block runs."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled_by(interrupt):
        yield


def leave_signals_to_training() -> None:
    """In a process that reads data: let the training process decide, which stops its workers when it has saved.

    A batch system tells every process of a job to end, a terminal all that were started in it. The first SIGTERM only
    is let pass: another one is the training process's, to a worker that does not end when it is asked to.
    """
    for number in _WATCHED:
        signal.signal(number, signal.SIG_IGN)

    def once(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, once)


@contextmanager
def _handled_by(handler: Handler) -> Iterator[None]:
    """Elsewhere than in the main thread nothing is watched; nor is what the caller ignores, as nohup does SIGHUP."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    watched = [number for number in _WATCHED if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in watched}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier if earlier is not None else signal.SIG_DFL)
