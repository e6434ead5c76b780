"""What odd values may cost: a loop that subtracts 360 until a value is small never ends for 1e30.

The function meets odd values in a child of this process, which can be ended at any moment: a loop inside of numpy heeds
no signal (`np.take(x, 2**62, mode="wrap")` counts down to the last entry), and a row that says 1e9 may ask for more
memory than there is. Where a process cannot be forked, or the child breaks down by itself, there is no limit.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn, TypeVar

try:
    import resource
except ImportError:  # not on this system
    resource = None  # type: ignore[assignment]

Beat = Callable[[float], None]
Result = TypeVar("Result")

_PATIENCE_S, _TIMES_AS_LONG = 3.0, 10.0  # as the slowest row so far
_ATTEMPTS = 2  # a child of a process with threads may stand still by mere chance
_START_S = 10.0  # before the first step: then something else is wrong, and the work is done here
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
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(TookTooLong):
            return _in_child(work)
    return _in_child(work)


def _in_child(work: Callable[[Beat], Result]) -> Result:
    ours, theirs = Pipe(duplex=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads: the child runs Python and numpy alone
        child = os.fork()
    if child == 0:
        ours.close()
        _work_as_child(work, theirs)
    theirs.close()
    try:
        with ours:
            heard = _hear(ours)
    except BaseException:
        _end(child)
        raise
    status = os.waitpid(child, 0)[1] if heard else _end(child)
    if isinstance(heard, _Done):
        made: Result = heard.outcome
        return made
    if isinstance(heard, _Raised):
        raise heard.error
    if heard is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        raise TookTooLong  # for its memory
    return work(lambda limit_s: None)


@dataclass(frozen=True)
class _Done:
    outcome: Any


@dataclass(frozen=True)
class _Raised:
    error: Exception


@dataclass(frozen=True)
class _BrokeDown:
    """The child is gone in the middle of a step."""


def _hear(ours: Connection) -> _Done | _Raised | _BrokeDown | None:
    """Wait for the child step by step; None where it never began."""
    limit_s: float | None = None
    while ours.poll(_START_S if limit_s is None else limit_s):
        try:
            said = ours.recv()
        except EOFError:
            return None if limit_s is None else _BrokeDown()
        if not isinstance(said, float):
            done: _Done | _Raised = said
            return done
        limit_s = said
    if limit_s is None:
        return None
    raise TookTooLong


def _end(child: int) -> int:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _work_as_child(work: Callable[[Beat], Any], theirs: Connection) -> NoReturn:
    status = 1
    try:
        gc.freeze()  # what the parent made stays: a session of onnxruntime would wait for threads that are not here
        _limit_memory()
        try:
            said: _Done | _Raised = _Done(work(lambda limit_s: theirs.send(float(limit_s))))
        except Exception as error:  # noqa: BLE001 - raised again by the parent, whatever it is
            said = _Raised(error)
        theirs.send(said)
        theirs.close()
        status = 0
    finally:
        os._exit(status)


def _limit_memory() -> None:
    """Let this process grow by no more than `_MEMORY_BYTES`; where the system knows no such limits, there are none."""
    if resource is None:
        return
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        now = pages * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (now + _MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
