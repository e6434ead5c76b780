"""The state of the text's Python while it walks over the rows: what a row could leave behind for the next one.

Everything that is reachable from the running functions is looked at before a row and after it. Where all is as it was,
the next row meets what this one met, and so do all that follow. What cannot be looked into (iterators, above all) is
refused beforehand.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hyrax_pack.lowering.tracing.shadows import RowsInText, Shadowed
from hyrax_pack.lowering.tracing.text import FILE_NAME, OWN_NAMES

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_FIXED = (type, types.ModuleType, types.BuiltinFunctionType, types.CodeType, range, slice)
_CLOSED = (bytearray, memoryview)

State = dict[tuple[Any, ...], Any]


class Unwatchable(Exception):  # noqa: N818 - becomes a refusal
    """Something whose state nobody can see from outside: an iterator, a buffer."""


def look_at(frame: types.FrameType | None, unseen: frozenset[str], lengths: Mapping[int, int] | None = None) -> State:
    """Return what the text's functions hold, from the innermost running one outwards.

    Parameters
    ----------
    unseen : frozenset of str
        Names of the innermost frame that every row binds anew.
    lengths : mapping, optional
        By the id of a list: how many of its entries to look at.

    Raises
    ------
    Unwatchable
        Something in reach has a state that cannot be seen.
    """
    found: State = {}
    depth = 0
    while frame is not None:
        if frame.f_code.co_filename == FILE_NAME:
            skipped = unseen if depth == 0 or frame.f_code.co_name in _COMPREHENSIONS else frozenset[str]()
            for name, value in frame.f_locals.items():
                if name not in skipped and not name.startswith(OWN_NAMES):
                    _look(value, (depth, name), found, lengths or {}, set())
            depth += 1
        frame = frame.f_back
    return found


def what_changed(before: State, after: State) -> str | None:
    """Return the name under which something is no longer what it was; None where all is the same."""
    for path in before.keys() | after.keys():
        if path not in before or path not in after or not _is_same(before[path], after[path]):
            return str(path[1])
    return None


_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})


def _look(value: Any, path: tuple[Any, ...], found: State, lengths: Mapping[int, int], above: set[int]) -> None:
    found[path] = value
    if isinstance(value, (*_PLAIN, *_FIXED, Shadowed)) or id(value) in above:
        return
    if isinstance(value, _CLOSED) or (hasattr(value, "__next__") and not isinstance(value, type)):
        raise Unwatchable(path[1])
    above = above | {id(value)}
    for step, part in _parts(value, lengths):
        _look(part, (*path, step), found, lengths, above)


def _parts(value: Any, lengths: Mapping[int, int]) -> Iterator[tuple[Any, Any]]:
    """Yield what is inside a container, a function or any other object, with a step to it."""
    if isinstance(value, RowsInText):  # of a list of the rows each row sees its own entry alone
        yield from enumerate([] if value.is_batch else value.entries()[: lengths.get(id(value))])
    elif isinstance(value, list | tuple | deque):
        yield from enumerate(value)
    elif isinstance(value, dict):
        yield from ((("key", at), key) for at, key in enumerate(dict.keys(value)))
        yield from ((("value", at), part) for at, part in enumerate(dict.values(value)))
    elif isinstance(value, set | frozenset):
        yield from ((part, part) for part in value)
    elif isinstance(value, types.FunctionType):
        cells = [cell for cell in value.__closure__ or () if _is_bound(cell)]
        yield from ((("cell", at), cell.cell_contents) for at, cell in enumerate(cells))
        yield "defaults", (value.__defaults__, value.__kwdefaults__)
        yield "attributes", vars(value)
    elif isinstance(value, types.MethodType):
        yield "self", value.__self__
    elif isinstance(value, np.ndarray):
        yield "content", value.tobytes() if value.dtype.kind != "O" else tuple(value.ravel().tolist())
    else:
        slots = [name for kind in type(value).__mro__ for name in _slots(kind) if hasattr(value, name)]
        yield "attributes", {name: getattr(value, name) for name in slots} | getattr(value, "__dict__", {})


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _is_bound(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - raises where nothing is bound yet
    except ValueError:
        return False
    return True


def _is_same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, _PLAIN):
        return bool(a == b or (a != a and b != b))
    return isinstance(a, tuple | dict)  # looked into: their parts are compared
