"""When two code objects are the same code, wherever they stand in whichever file."""

from __future__ import annotations
import __future__

import inspect
import types
from collections.abc import Callable
from typing import Any

_FUTURES = {name: getattr(__future__, name).compiler_flag for name in __future__.all_feature_names}
LATE_ANNOTATIONS = int(_FUTURES["annotations"])
FUTURE_MASK = sum(_FUTURES.values())
# What a function is told by its surroundings: defined in another function, under a future import.
_ELSEWHERE = inspect.CO_NESTED | FUTURE_MASK


def is_same_code(one: types.CodeType, other: types.CodeType) -> bool:
    """Whether two code objects are the same instructions, under the same handlers, on the same constants and names."""
    return _fingerprint(one) == _fingerprint(other)


def is_same_meaning(one: types.CodeType, other: types.CodeType) -> bool:
    """Whether two code objects have the same constants, names and variables, all the way down.

    Weaker than `is_same_code`: the same text may compile to other instructions beside other imports.
    """
    return code_meaning(one) == code_meaning(other)


def code_meaning(code: types.CodeType) -> tuple[Any, ...]:
    """The constants, names and variables of a code object, all the way down, as plain values."""
    return (code.co_flags & ~_ELSEWHERE, *_parts(code, code_meaning))


def _fingerprint(code: types.CodeType) -> tuple[Any, ...]:
    return (code.co_name, code.co_code, code.co_exceptiontable, code.co_flags, *_parts(code, _fingerprint))


def _parts(code: types.CodeType, of_code: Callable[[types.CodeType], Any]) -> tuple[Any, ...]:
    arguments = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
    variables = (code.co_varnames, code.co_freevars, code.co_cellvars)
    return (_constants(_written(code), of_code), code.co_names, variables, arguments)


def _written(code: types.CodeType) -> tuple[Any, ...]:
    """The constants, without those by which a class body knows its place: its full name and, from 3.13 on, its line."""
    if code.co_flags & inspect.CO_OPTIMIZED:
        return code.co_consts
    place = (code.co_qualname, code.co_firstlineno)
    return tuple(... if type(value) in (str, int) and value in place else value for value in code.co_consts)


def _constants(value: Any, of_code: Callable[[types.CodeType], Any]) -> Any:
    if isinstance(value, types.CodeType):
        return of_code(value)
    if isinstance(value, tuple):
        return tuple(_constants(item, of_code) for item in value)
    if isinstance(value, frozenset):
        return ("frozenset", *sorted(repr(item) for item in value))
    return (type(value).__name__, repr(value))
