"""What training says on stderr."""

from __future__ import annotations

import sys
from contextlib import suppress


def talk(text: str) -> None:
    """One line that a person should read; training does not end because nobody reads it any more."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)
