from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One hostile file: what it tries, how it is made, and the code of the error that refuses it."""

    title: str
    code: str
    make: Callable[[], bytes]
