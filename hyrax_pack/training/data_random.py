"""The random generators that data sets keep: as attributes, in lists, dicts and objects of theirs, or in their file.

In the training process they run on, and a checkpoint holds their states. In workers each has a copy, which is seeded
anew for every batch: else all workers would repeat one another, and a worker that is started again its predecessor.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hyrax_pack.resolving.ownership import is_library
from hyrax_pack.training.state.decoding import decode
from hyrax_pack.training.state.encoding import encode
from hyrax_pack.training.state.generators import GENERATOR_CLASSES
from hyrax_pack.training.state.outside import globals_mentioned
from hyrax_pack.training.state.plain_objects import BOUND, bound_to, object_state

if TYPE_CHECKING:
    from hyrax_pack.data.group import Group

# A list that is longer holds rows, and no generators.
_LONGEST = 10_000


class DataGenerators:
    """Every generator of the data sets behind some groups, by `friendly.attribute`."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self._generators: dict[str, Any] = {}
        for group in groups:
            for source, _fields in group.plan():
                self._generators |= dict(_found(source.dataset, f"{group.name}.{source.friendly}", {}))

    def state(self) -> dict[str, Any]:
        """Their states, as a checkpoint keeps them."""
        return {path: encode(generator) for path, generator in self._generators.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put their states back."""
        for path, encoded in state.items():
            if path in self._generators:
                decode(encoded, self._generators[path])

    def seed(self, seed: int) -> None:
        """Begin them all anew."""
        for number, generator in enumerate(dict.fromkeys(self._generators.values())):
            _seed(generator, seed + number)


def _found(dataset: Any, path: str, seen: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    """Path and generator, of a data set and of everything that it holds."""
    yield from _inside(dataset, path, seen, outermost=True)
    for name, namespace in globals_mentioned(type(dataset)):
        yield from _inside(namespace[name], f"{path}:{name}", seen)


def _inside(value: Any, path: str, seen: dict[int, Any], *, outermost: bool = False) -> Iterator[tuple[str, Any]]:
    if isinstance(value, GENERATOR_CLASSES):
        yield path, value
        return
    if id(value) in seen:
        return
    seen[id(value)] = value
    for name, item in _parts(value, outermost=outermost):
        yield from _inside(item, f"{path}.{name}", seen)


def _parts(value: Any, *, outermost: bool) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict | list | tuple):
        if len(value) > _LONGEST:
            return ()
        return value.items() if isinstance(value, dict) else enumerate(value)
    if isinstance(value, BOUND):
        return enumerate(bound_to(value))
    if isinstance(value, type) or not (outermost or _is_looked_into(type(value))):
        return ()
    return {**(object_state(value) or {}), **getattr(value, "__dict__", {})}.items()


def _is_looked_into(cls: type) -> bool:
    return cls.__module__.startswith("torch.utils.data") or not is_library(cls)


def _seed(generator: Any, seed: int) -> None:
    if isinstance(generator, np.random.Generator):
        bits: Any = generator.bit_generator
        bits.state = type(bits)(seed).state
    elif isinstance(generator, torch.Generator):
        generator.manual_seed(seed)
    elif isinstance(generator, np.random.RandomState):
        generator.seed(seed % 2**32)
    elif isinstance(generator, random.Random):
        generator.seed(seed)
