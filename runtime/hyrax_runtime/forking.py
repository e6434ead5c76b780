"""A child after fork() has its parent's memory and none of its threads: a lock that one of them held stays held."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """Something that has to be put right in a child."""

    def after_fork_in_child(self) -> None:
        """Make locks anew, and let go of what threads of the parent were working on."""


_LIVING: weakref.WeakSet[Forked] = weakref.WeakSet()


def put_right_after_fork(owner: Forked) -> None:
    """Have `owner.after_fork_in_child` called in every forked child, for as long as the owner lives."""
    _LIVING.add(owner)


def _put_right() -> None:
    for owner in list(_LIVING):
        owner.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_put_right)
