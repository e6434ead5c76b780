"""Objects of a user's own classes as their attributes; and the kinds of values that have nothing to be put back."""

from __future__ import annotations

import datetime
import decimal
import fractions
import functools
import logging
import re
import sys
import types
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

# A class with one of these says itself how it is written down, by code of its own.
_OWN_PICKLING = ("__reduce_ex__", "__reduce__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__")
# Code that is found again by its name.
CODE = (type, types.FunctionType, types.BuiltinFunctionType)
# Code together with what it works on.
BOUND = (types.MethodType, functools.partial)
# What is always the value that it was when it was made: code, names, places.
_STATELESS = (
    *CODE, types.ModuleType, types.MethodDescriptorType, types.GenericAlias, type(...), type(NotImplemented),
    PurePath, re.Pattern, logging.Logger, range, slice, np.dtype, np.ufunc, decimal.Decimal, fractions.Fraction,
    datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo,
)  # fmt: skip


def is_stateless(value: Any) -> bool:
    """Whether a value never changes: only another one may take its place."""
    return isinstance(value, _STATELESS) or type(value).__module__ == "typing"


def name_of_code(value: Any) -> tuple[str, str] | None:
    """Module and name under which a function or class is found again; None for a lambda, or one inside a function."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or find_code(module, name) is not value:
        return None
    return module, name


def find_code(module: str, name: str) -> Any:
    """What stands under a name in a module that is imported; None where nothing does. Nothing is run."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def bound_to(value: Any) -> list[Any]:
    """What a bound method or a partial function works on."""
    if isinstance(value, types.MethodType):
        return [value.__self__]
    inner = [value.func] if isinstance(value.func, BOUND) else []
    return [*inner, *value.args, *value.keywords.values()]


def inner_name(bound: Any) -> str:
    """The name of the function inside a partial one; empty for anything else."""
    return str(getattr(getattr(bound, "func", None), "__name__", ""))


def object_state(value: Any) -> dict[str, Any] | None:
    """The attributes of an object that is nothing but its attributes; None for any other."""
    cls = type(value)
    if cls.__module__.startswith("torch.utils.data"):  # a loader has the whole data set as an attribute
        return None
    if any(name in vars(base) for base in cls.__mro__[:-1] for name in _OWN_PICKLING):
        return None
    known = "__slotnames__" in vars(cls)
    try:
        reduced = object.__reduce_ex__(value, 2)
    except TypeError:  # a lock, a file, a generator
        return None
    if not known and "__slotnames__" in vars(cls):  # Python's own note on the class: its code has not changed
        del cls.__slotnames__
    if not isinstance(reduced, tuple):
        return None
    _maker, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    if arguments != (cls,) or items is not None or pairs is not None:
        return None
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    return {**(attributes or {}), **(slots or {})}


def new_object(cls: type) -> Any:
    """An object of a class whose code is not run."""
    return object.__new__(cls)


def fill_object(target: Any, attributes: Mapping[str, Any]) -> None:
    """Give an object these attributes and no others, whatever its class says to it."""
    for name in [name for name in object_state(target) or {} if name not in attributes]:
        object.__delattr__(target, name)
    for name, value in attributes.items():
        if hasattr(target, "__dict__") and not _is_slot(type(target), name):
            target.__dict__[name] = value
        else:
            object.__setattr__(target, name, value)


def refill(container: Any, items: Iterable[Any]) -> None:
    """Give a dict, list, set or deque these items, by the methods of Python's own class: a subclass may do more."""
    kind: Any = next(kind for kind in (OrderedDict, dict, list, set, deque) if isinstance(container, kind))
    kind.clear(container)
    add = kind.extend if kind in (list, deque) else kind.update
    add(container, items)


def find_class(module: str, name: str, like: type) -> type | None:
    """The class of that name: that of what stands there now, or one of a module that is imported; nothing is run."""
    found = like if like.__qualname__ == name else find_code(module, name)
    return found if isinstance(found, type) else None


def _is_slot(cls: type, name: str) -> bool:
    return any(isinstance(vars(base).get(name), types.MemberDescriptorType) for base in cls.__mro__)
