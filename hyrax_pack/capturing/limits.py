"""How much one attempt with odd values may take: a row that says 1e9 must not fill the machine, or run for ever.

Runs in the fresh process (see hyrax_pack.capturing.fresh_process): only the standard library is there. Where the system
knows no such limits, there are none.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MEMORY_BYTES = 4 * 2**30


def limit_memory() -> None:
    """From here on, let this process grow by no more than `MEMORY_BYTES`: a MemoryError, where it would."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        now = pages * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))


@contextlib.contextmanager
def limited_time(limit_s: float) -> Iterator[None]:
    """Raise a TimeoutError in the block when it has run for so long."""
    import signal

    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number: int, frame: Any) -> None:
        raise TimeoutError(f"ran for {limit_s:.3g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
