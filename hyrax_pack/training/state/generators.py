"""Generators of random numbers: how the state of each kind is read and put back."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch


def _write_legacy(generator: np.random.RandomState, state: dict[str, Any]) -> None:
    generator.set_state(state)


def _write_numpy(generator: np.random.Generator, state: dict[str, Any]) -> None:
    generator.bit_generator.state = state


# Name in the checkpoint, class, how to read its state, how to put it back.
GENERATORS: tuple[tuple[str, type, Callable[[Any], Any], Callable[[Any, Any], None]], ...] = (
    ("torch.Generator", torch.Generator, lambda one: one.get_state(), lambda one, state: one.set_state(state)),
    ("numpy.Generator", np.random.Generator, lambda one: one.bit_generator.state, _write_numpy),
    ("numpy.RandomState", np.random.RandomState, lambda one: one.get_state(legacy=False), _write_legacy),
    ("random.Random", random.Random, lambda one: one.getstate(), lambda one, state: one.setstate(state)),
)
GENERATOR_CLASSES: tuple[type, ...] = tuple(kind for _, kind, _, _ in GENERATORS)
