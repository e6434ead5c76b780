"""What the tables of rules hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Rule:
    """How a function is lowered.

    Attributes
    ----------
    lower : callable
        Takes the trace and the call's arguments. Returns a Value, a View, or what numpy functions on traced values
        returned; with `is_special`, the finished result.
    is_special : bool
        The rule does everything itself; numpy is not called on the shadows.
    is_always : bool
        The rule is also asked where nothing traced is among the arguments.
    edges : mapping from int to str
        Positions of arguments in which the last bit may decide (which is greatest, in which bin), and what to call it.
    """

    lower: Callable[..., Any]
    is_special: bool = False
    is_always: bool = False
    edges: Mapping[int, str] = field(default_factory=dict)
