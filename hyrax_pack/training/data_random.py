"""The random generators that data sets keep as attributes, such as `self.rng` for augmentation.

In the training process they run on, and a checkpoint holds their states. In workers each has a copy, which is seeded
anew for every batch: else all workers would repeat one another, and a worker that is started again its predecessor.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hyrax_pack.training.state import GENERATOR_CLASSES, decode, encode

if TYPE_CHECKING:
    from hyrax_pack.data.group import Group


class DataGenerators:
    """Every generator of the data sets behind some groups, by `friendly.attribute`."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self._generators: dict[str, Any] = {}
        for group in groups:
            for source, _fields in group.plan():
                for name, value in getattr(source.dataset, "__dict__", {}).items():
                    if isinstance(value, GENERATOR_CLASSES):
                        self._generators[f"{group.name}.{source.friendly}.{name}"] = value

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
