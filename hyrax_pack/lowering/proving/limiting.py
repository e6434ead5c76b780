"""What odd values may cost: a loop that subtracts 360 until a value is small never ends for 1e30.

The function meets odd values in a child of this process, which can be ended at any moment: a loop inside of numpy heeds
no signal (`np.take(x, 2**62, mode="wrap")` counts down to the last entry), and a row that says 1e9 may ask for more
memory than there is. Where a process cannot be forked, or the child breaks down by itself, there is no limit.
"""

from __future__ import annotations

import contextlib
import os
import signal
import warnings
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn, TypeVar

Beat = Callable[[float], None]
Result = TypeVar("Result")

_PATIENCE_S, _TIMES_AS_LONG = 5.0, 10.0  # as the slowest row so far
_START_S = 60.0
_MEMORY_BYTES = 4 << 30


class TookTooLong(Exception):  # noqa: N818 - a fact about the function
    """It did not come to an end, or asked for more memory than there is."""


def patience_s(slowest_row_s: float, rows: int) -> float:
    """Return how long to wait for a call with odd values, by how long the slowest row took so far."""
    return _PATIENCE_S + _TIMES_AS_LONG * slowest_row_s * rows


def within_limits(work: Callable[[Beat], Result]) -> Result:
    """Return what `work` returns, or raise what it raises, having done it in a child process.

    Parameters
    ----------
    work : callable
        Takes a function to be told, before every step, how many seconds the step may take.

    Raises
    ------
    TookTooLong
        A step took longer, or the child was ended for the memory that it took.
    """
    if not hasattr(os, "fork"):
        return work(lambda limit_s: None)
    ours, theirs = Pipe(duplex=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads: the child runs Python and numpy alone
        child = os.fork()
    if child == 0:
        ours.close()
        _work_as_child(work, theirs)
    theirs.close()
    try:
        heard = _hear(ours)
    except BaseException:
        _end(child)
        raise
    status = os.waitpid(child, 0)[1]
    if heard is None and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        raise TookTooLong
    if heard is None:
        return work(lambda limit_s: None)
    is_done, outcome = heard
    if is_done:
        made: Result = outcome
        return made
    raise outcome


def _hear(ours: Connection) -> tuple[bool, Any] | None:
    """Wait for the child step by step; None where it broke down."""
    limit_s = _START_S
    with ours:
        while ours.poll(limit_s):
            try:
                said = ours.recv()
            except EOFError:
                return None
            if isinstance(said, tuple):
                return said
            limit_s = said
    raise TookTooLong


def _end(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _work_as_child(work: Callable[[Beat], Any], theirs: Connection) -> NoReturn:
    status = 1
    try:
        _limit_memory()
        try:
            outcome = (True, work(theirs.send))
        except Exception as error:  # noqa: BLE001 - raised again by the parent, whatever it is
            outcome = (False, error)
        theirs.send(outcome)
        theirs.close()
        status = 0
    finally:
        os._exit(status)


def _limit_memory() -> None:
    """Let this process grow by no more than `_MEMORY_BYTES`; where the system knows no such limits, there are none."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        now = pages * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (now + _MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
