"""State that a model keeps outside of itself: attributes of its classes, and globals of their modules.

A counter on the class, a generator at the top of the file. Only what has changed since the run was begun counts, and
only where the code of the model's classes mentions it; what is larger than a megabyte is taken for a constant.
"""

from __future__ import annotations

import copy
import io
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from hyrax_pack.resolving.ownership import is_library
from hyrax_pack.training.state.decoding import Decoder, Lost
from hyrax_pack.training.state.encoding import Encoded, Own, Unsaved, encode, same_encoding, size_bytes
from hyrax_pack.training.state.plain_objects import is_stateless

_LARGEST_BYTES = 2**20


class Place(NamedTuple):
    """Where a value stands: `name` of a class or of a module's globals, and how it is called in a checkpoint."""

    path: str
    owner: Any
    name: str

    def get(self) -> Any:
        """What stands there now."""
        return (vars(self.owner) if isinstance(self.owner, type) else self.owner).get(self.name)

    def put(self, value: Any) -> None:
        """Let another value stand there."""
        if isinstance(self.owner, type):
            setattr(self.owner, self.name, value)
        else:
            self.owner[self.name] = value


class Outside:
    """What stood outside of `model` when it was made."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._before = {path: copy.deepcopy(encoded) for path, encoded in _encoded(model)}

    def unsaved(self) -> list[str]:
        """Iterators that stand outside: they go on, and nobody can say where they are."""
        found = [(place.path, place.get()) for place in places_outside(self._model)]
        return [
            f"{path} (a {type(value).__name__})"
            for path, value in found
            if isinstance(value, Iterator) and not isinstance(value, io.IOBase)
        ]

    def changed(self) -> dict[str, Encoded]:
        """What is not as it was, by its path."""
        return {path: encoded for path, encoded in _encoded(self._model) if not self._is_same(path, encoded)}

    def restore(self, changed: Mapping[str, Encoded]) -> None:
        """Put changed values back.

        Raises
        ------
        Lost
            There is no such class or global now.
        """
        places = {place.path: place for place in places_outside(self._model)}
        owners = dict(_owners(self._model))
        decoder = Decoder(Own.of(self._model))
        for path, encoded in changed.items():
            owner, name = _split(path)
            if owner not in owners:
                raise Lost(f"{path}: there is no {owner} now")
            place = places.get(path) or Place(path, owners[owner], name)
            current = place.get()
            value = decoder.decode(encoded, current)
            if value is not current:
                place.put(value)

    def _is_same(self, path: str, encoded: Encoded) -> bool:
        return path in self._before and same_encoding(self._before[path], encoded)


def places_outside(model: nn.Module) -> Iterator[Place]:
    """Every place outside of a model where its classes may keep something that changes."""
    seen: set[str] = set()
    for cls in _own_classes(model):
        for place in (*_class_places(cls), *_global_places(cls)):
            if place.path not in seen and not _is_constant(place.get()):
                seen.add(place.path)
                yield place


def globals_mentioned(cls: type) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names of globals that the code of a class mentions, and of functions beside it that it calls."""
    waiting = list(vars(cls).values())
    seen: set[int] = set()
    while waiting:
        function = _function_in(waiting.pop())
        if function is None or id(function) in seen or function.__module__ != cls.__module__:
            continue
        seen.add(id(function))
        for name in sorted(set(_names_in(function.__code__)) & function.__globals__.keys()):
            value = function.__globals__[name]
            if isinstance(value, types.FunctionType):
                waiting.append(value)
            yield name, function.__globals__


def _encoded(model: nn.Module) -> Iterator[tuple[str, Encoded]]:
    own = Own.of(model)
    for place in places_outside(model):
        try:
            encoded = encode(place.get(), own)
        except Unsaved:
            continue
        if size_bytes(encoded) <= _LARGEST_BYTES:
            yield place.path, encoded


def _owners(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Classes and globals by the names that stand for them in a path."""
    for cls in _own_classes(model):
        yield cls.__qualname__, cls
        yield _stem(cls), vars(sys.modules[cls.__module__])


def _split(path: str) -> tuple[str, str]:
    """Owner and name: of `Net.steps` and `net:STEPS`."""
    owner, _, name = path.rpartition(":" if ":" in path else ".")
    return owner, name


def _is_constant(value: Any) -> bool:
    return is_stateless(value) or getattr(value, "nbytes", 0) > _LARGEST_BYTES


def _own_classes(model: nn.Module) -> list[type]:
    home = type(model).__module__.partition(".")[0]
    found = dict.fromkeys(base for module in model.modules() for base in type(module).__mro__)
    return [cls for cls in found if not is_library(cls, home)]


def _class_places(cls: type) -> Iterator[Place]:
    for name, value in list(vars(cls).items()):
        if not name.startswith("__") and not hasattr(type(value), "__get__") and not name.startswith("_abc_"):
            yield Place(f"{cls.__qualname__}.{name}", cls, name)


def _global_places(cls: type) -> Iterator[Place]:
    for name, namespace in globals_mentioned(cls):
        if not name.startswith("__"):
            yield Place(f"{_stem(cls)}:{name}", namespace, name)


def _stem(cls: type) -> str:
    """A module's name that does not depend on the folder that it lies in; the same as in the record of the code."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if "." in cls.__module__ or not file:
        return cls.__module__
    return Path(file).parent.name if Path(file).stem == "__init__" else Path(file).stem


def _function_in(value: Any) -> types.FunctionType | None:
    value = getattr(value, "__func__", getattr(value, "fget", value))
    value = getattr(value, "__wrapped__", value)
    return value if isinstance(value, types.FunctionType) else None


def _names_in(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)
