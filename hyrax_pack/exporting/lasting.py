"""What outlives a call of the model, beside its parameters and buffers: to be compared, and to be put back.

Attributes of its modules, of the objects and containers in them, of its classes, of functions; the globals that its
code mentions, what its functions have closed over, and caches of functools. Nothing is replaced by a copy: whoever held
a list or an object holds the same one afterwards, with what it held before.
"""

from __future__ import annotations

import functools
import logging
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from hyrax_pack.resolving.ownership import is_library, is_library_module

_BOOKKEEPING = frozenset(vars(nn.Module()))
_CONTAINERS = (OrderedDict, dict, list, set, deque)
_CELL = "cell_contents"
_CACHES = (type(functools.lru_cache(len)),)
# Larger arrays are taken for constants; of larger containers only the items themselves are looked at.
_LARGEST_BYTES = 2**20
_MOST_ITEMS = 1000
_MOST_THINGS = 20_000
# Objects that hold nothing of a model.
_TOOLS = (
    "threading", "_thread", "logging", "io", "_io", "queue", "socket", "multiprocessing", "weakref", "torch.utils.data",
)  # fmt: skip
_ATOMS = (bool, int, float, complex, str, bytes, type(None), np.generic, torch.dtype, torch.device, logging.Logger)


@contextmanager
def attributes_restored(model: nn.Module) -> Iterator[Callable[[], list[str]]]:
    """Put everything that outlives a call back as it was, but for parameters and buffers.

    A model may cache a grid by its length, or a tensor in the precision of the day; a trace would leave its fake
    tensors behind.

    Yields
    ------
    callable
        Names what has changed so far.
    """
    before = Lasting(model)
    try:
        yield before.changed
    finally:
        before.put_back()


class Lasting:
    """What there is beside parameters and buffers at this moment."""

    def __init__(self, model: nn.Module) -> None:
        home = type(model).__module__.partition(".")[0]
        self._home = "" if home == "torch" else home  # an installed package may be the user's own
        self._kept: list[_Kept] = []
        self._classes: set[type] = set()
        self._seen: dict[int, Any] = {}  # values, not ids alone: an id may be given to another object
        modules = list(model.named_modules())
        for each in (*(module for _, module in modules), *model.parameters(), *model.buffers()):
            self._seen[id(each)] = each
        for name, module in modules:
            self._keep_names(name, vars(module), lambda key: key not in _BOOKKEEPING)
        for _, module in modules:
            self._visit_class(type(module))

    def changed(self) -> list[str]:
        """Name what is not as it was."""
        return list(dict.fromkeys(path for kept in self._kept for path in kept.changed()))

    def put_back(self) -> None:
        """Make everything what it was."""
        for kept in self._kept:
            kept.put_back()

    def _visit(self, value: Any, path: str) -> None:
        if isinstance(value, _ATOMS) or id(value) in self._seen or len(self._seen) > _MOST_THINGS:
            return
        self._seen[id(value)] = value
        if isinstance(value, torch.Tensor | np.ndarray):
            self._kept.append(_Numbers.of(path, value))
        elif isinstance(value, type):
            self._visit_class(value)
        elif isinstance(value, types.FunctionType):
            self._visit_function(value, path)
        elif isinstance(value, types.MethodType | functools.partial):
            parts = (value.__self__, value.__func__) if isinstance(value, types.MethodType) else (
                value.func, *value.args, *value.keywords.values()
            )  # fmt: skip
            for part in parts:
                self._visit(part, path)
        elif isinstance(value, (*_CONTAINERS, tuple, frozenset)):
            self._visit_items(value, path)
        elif not isinstance(value, types.ModuleType):
            self._visit_object(value, path)

    def _visit_items(self, value: Any, path: str) -> None:
        items = list(value.items()) if isinstance(value, dict) else list(value)
        if not isinstance(value, tuple | frozenset):
            self._kept.append(_Items(path, value, items))
        if len(items) <= _MOST_ITEMS:
            for item in value.values() if isinstance(value, dict) else items:
                self._visit(item, path)
        if type(value).__module__ not in ("builtins", "collections"):
            self._visit_object(value, path)

    def _visit_object(self, value: Any, path: str) -> None:
        cls = type(value)
        if cls.__module__.startswith(_TOOLS):
            return
        if isinstance(value, _CACHES):  # by class: a settings object may have an answer for every attribute
            self._kept.append(_Cache(value))
        if isinstance(getattr(value, "__dict__", None), dict):
            self._keep_names(path, vars(value), lambda _: True)
        slots = [name for base in cls.__mro__ for name, each in vars(base).items() if _is_slot(each)]
        if slots and not is_library(cls, self._home):
            self._kept.append(
                _Slots(path, value, {name: getattr(value, name) for name in slots if hasattr(value, name)})
            )
            for name in slots:
                self._visit(getattr(value, name, None), f"{path}.{name}")
        self._visit_class(cls)

    def _visit_class(self, cls: type) -> None:
        for base in cls.__mro__:
            if base in self._classes or is_library(base, self._home):
                continue
            self._classes.add(base)
            self._keep_names(base.__qualname__, base, _is_plain_name)
            for value in list(vars(base).values()):
                function = getattr(value, "__func__", getattr(value, "fget", value))
                if isinstance(function, types.FunctionType):
                    self._visit(function, base.__qualname__)

    def _visit_function(self, function: types.FunctionType, path: str) -> None:
        if is_library_module(function.__module__ or "") and not function.__module__.startswith(f"{self._home}."):
            return
        self._keep_names(function.__qualname__, vars(function), lambda _: True)
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._visit(value, f"a default of {function.__qualname__}")
        names = set(_names_in(function.__code__))
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            self._kept.append(_Slots(name, cell, {_CELL: cell.cell_contents} if _is_filled(cell) else {}))
            if _is_filled(cell):
                self._visit(cell.cell_contents, name)
        self._keep_names("", function.__globals__, lambda name: name in names and not name.startswith("__"))
        for name in names & function.__globals__.keys():
            module = function.__globals__[name]
            if isinstance(module, types.ModuleType) and not is_library_module(module.__name__):
                self._keep_names(name, vars(module), lambda name: name in names and not name.startswith("__"))

    def _keep_names(self, path: str, owner: Any, looked_at: Callable[[str], bool]) -> None:
        kept = _Names(path, owner, looked_at, {})
        kept.before.update(kept.now())
        self._kept.append(kept)
        for name, value in kept.before.items():
            self._visit(value, f"{path}.{name}" if path else name)


class _Kept(Protocol):
    def changed(self) -> Iterable[str]: ...
    def put_back(self) -> None: ...


@dataclass(frozen=True)
class _Names:
    """Names of a class, a function, an object or a module, and what they stand for."""

    path: str
    owner: Any
    looked_at: Callable[[str], bool]
    before: dict[str, Any]

    def now(self) -> dict[str, Any]:
        names: Mapping[str, Any] = vars(self.owner) if isinstance(self.owner, type) else self.owner
        return {name: value for name, value in list(names.items()) if self.looked_at(name)}

    def changed(self) -> Iterator[str]:
        now = self.now()
        for name in [*self.before, *(name for name in now if name not in self.before)]:
            if not (name in now and name in self.before and _is_same(self.before[name], now[name])):
                yield f"{self.path}.{name}" if self.path else name

    def put_back(self) -> None:
        now = self.now()
        for name in now.keys() - self.before.keys():
            delattr(self.owner, name) if isinstance(self.owner, type) else self.owner.pop(name)
        for name, value in self.before.items():
            if name in now and now[name] is value:
                continue
            if isinstance(self.owner, type):
                setattr(self.owner, name, value)
            else:
                self.owner[name] = value


@dataclass(frozen=True)
class _Items:
    """What is in a container."""

    path: str
    owner: Any
    before: list[Any]

    def changed(self) -> Iterator[str]:
        now = list(self.owner.items()) if isinstance(self.owner, dict) else list(self.owner)
        if len(now) != len(self.before) or not all(map(_is_same, self.before, now)):
            yield self.path

    def put_back(self) -> None:
        """By the methods of Python's own class: a subclass may do more."""
        if any(self.changed()):
            kind: Any = next(kind for kind in _CONTAINERS if isinstance(self.owner, kind))
            kind.clear(self.owner)
            (kind.extend if kind in (list, deque) else kind.update)(self.owner, self.before)


@dataclass(frozen=True)
class _Slots:
    """Attributes without a dict: those of `__slots__`, and the one of a closure's cell."""

    path: str
    owner: Any
    before: dict[str, Any]

    def changed(self) -> Iterator[str]:
        for name, value in self.before.items():
            if not _is_same(getattr(self.owner, name, None), value):
                yield self.path if name == _CELL else f"{self.path}.{name}"

    def put_back(self) -> None:
        for name, value in self.before.items():
            if getattr(self.owner, name, None) is not value:
                object.__setattr__(self.owner, name, value)


@dataclass(frozen=True)
class _Numbers:
    """A tensor or array that is no parameter and no buffer."""

    path: str
    owner: Any
    before: Any

    @classmethod
    def of(cls, path: str, value: Any) -> _Numbers:
        small = value.nbytes <= _LARGEST_BYTES and not getattr(value, "requires_grad", False)
        fixed = isinstance(value, np.ndarray) and not value.flags.writeable
        if not small or fixed or _is_fake(value):
            return cls(path, value, None)
        return cls(path, value, value.clone() if isinstance(value, torch.Tensor) else value.copy())

    def changed(self) -> Iterator[str]:
        if self.before is not None and not self._is_as_it_was():
            yield self.path

    def put_back(self) -> None:
        if self.before is None or self._is_as_it_was():
            return
        if isinstance(self.owner, np.ndarray):
            self.owner[...] = self.before
        else:
            self.owner.data = self.before

    def _is_as_it_was(self) -> bool:
        if isinstance(self.owner, np.ndarray):
            return bool(self.owner.tobytes() == self.before.tobytes())
        now, was = self.owner, self.before
        if now.shape != was.shape or now.dtype != was.dtype:
            return False
        if now.is_floating_point():
            return bool(torch.allclose(now, was, 0.0, 0.0, equal_nan=True))
        return bool(torch.equal(now, was))


@dataclass(frozen=True)
class _Cache:
    """A cache of functools: what it holds is computed anew, in the precision of that day."""

    owner: Any

    def changed(self) -> tuple[str, ...]:
        return ()

    def put_back(self) -> None:
        self.owner.cache_clear()


def _is_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return isinstance(one, _ATOMS) and type(one) is type(other) and (one == other or (one != one and other != other))


def _is_plain_name(name: str) -> bool:
    return not name.startswith(("__", "_abc_"))


def _is_slot(value: Any) -> bool:
    return isinstance(value, types.MemberDescriptorType)


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that is not bound yet
        return False


def _is_fake(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and type(value) not in (torch.Tensor, nn.Parameter)


def _names_in(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)
