"""Two real batches in lockstep with the trace.

Every traced value carries two shadows: what numpy really gives for two batches of different size and values. So numpy
itself says what dtype and shape a result has, and a dimension that differs between the two is known only when the graph
runs. Shadows never decide anything by their values.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

BATCH_SIZES = (5, 7)
ROW_SIZES = (2, 2)
ROWS = 2  # that a loop over the rows meets; what two rows leave alike, any number leaves alike (see walking.py)

_MAX_DEPTH = 6
_Class = TypeVar("_Class", bound=type[Any])


def stands_for(name: str) -> Callable[[_Class], _Class]:
    """Give a class the name of what it stands for: Python's own messages speak of classes by their names.

    Examples
    --------
    >>> @stands_for("list")
    ... class Rows: ...
    >>> Rows() - 1
    Traceback (most recent call last):
    TypeError: unsupported operand type(s) for -: 'list' and 'int'
    """

    def name_it(kind: _Class) -> _Class:
        kind.__name__ = kind.__qualname__ = name
        kind.__module__ = "builtins"
        return kind

    return name_it


class Shadowed:
    """What stands for something real: `shadow(i)` is what it stands for in batch i (0 or 1)."""

    __slots__ = ()

    def shadow(self, which: int) -> Any:
        """Return the real thing in one of the two batches."""
        raise NotImplementedError


class RowsInText(list[Any]):
    """A list that the text made; `is_batch` where it has one entry per row of the batch (see gathered.py)."""

    __slots__ = ()

    @property
    def is_batch(self) -> bool:
        """Whether it has one entry per row."""
        raise NotImplementedError

    def entries(self) -> list[Any]:
        """Return what is in it, unwatched."""
        return list(list.__iter__(self))


def shadow_of(value: Any, which: int) -> Any:
    """Replace everything traced inside a value by its shadow."""
    if isinstance(value, Shadowed):
        return value.shadow(which)
    if isinstance(value, RowsInText):
        return [shadow_of(item, which) for item in value.entries()]
    kind = type(value)
    if kind is list:
        return [shadow_of(item, which) for item in value]
    if kind is tuple:
        return tuple(shadow_of(item, which) for item in value)
    if kind is dict:
        return {key: shadow_of(item, which) for key, item in value.items()}
    if kind is slice:
        return slice(*(shadow_of(bound, which) for bound in (value.start, value.stop, value.step)))
    return value


def traced_in(value: Any, depth: int = 0) -> Iterable[Any]:
    """Yield everything traced inside a value: in lists, tuples, dicts and slices, some levels deep."""
    if isinstance(value, Shadowed) or (isinstance(value, RowsInText) and value.is_batch):
        yield value
    elif isinstance(value, RowsInText):
        yield from traced_in(value.entries(), depth)
    elif depth < _MAX_DEPTH:
        kind = type(value)
        if kind is list or kind is tuple:
            if depth and value and isinstance(value[0], int | float | str):
                kinds = {type(item) for item in value}
                if kinds <= {int, float, str, bool}:  # a table of numbers: thousands of entries, none of them traced
                    return
            for item in value:
                yield from traced_in(item, depth + 1)
        elif kind is dict:
            for item in value.values():
                yield from traced_in(item, depth + 1)
        elif kind is slice:
            for item in (value.start, value.stop, value.step):
                yield from traced_in(item, depth + 1)


def flat_parts(value: Any, depth: int = 0) -> Iterable[Any]:
    """Yield what is inside lists, tuples and dicts, some levels deep."""
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | dict):
        parts = value.entries() if isinstance(value, RowsInText) else value
        for part in parts.values() if isinstance(parts, dict) else parts:
            yield from flat_parts(part, depth + 1)
    else:
        yield value


def holds_traced(*values: Any) -> bool:
    """Whether there is anything traced inside the values."""
    return any(True for value in values for _ in traced_in(value))


def on_shadows(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] | None = None
) -> tuple[Any, Any]:
    """Call the real function on both batches."""
    first, second = (quietly(function, shadow_of(list(args), at), shadow_of(dict(kwargs or {}), at)) for at in (0, 1))
    return first, second


def quietly(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Call without numpy's warnings: shadows divide by zero where the user's data may not."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)
