"""Where every random number of a run comes from: the seed, the epoch and the step."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

# Keeps the streams of one seed apart: the order of the rows must not be the stream that fills the weights.
_ORDER, _LOADING = 1, 2


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's global generators, on every device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def order_of(rows: int, seed: int, epoch: int, *, shuffle: bool) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The order in which an epoch visits its rows, each once; the same on every machine.

    Returns
    -------
    ndarray, shape (rows,), int64
    """
    if not shuffle:
        return np.arange(rows, dtype=np.int64)
    # RandomState and not Generator: its stream never changes between versions of numpy.
    return np.random.RandomState([seed, _ORDER, epoch]).permutation(rows).astype(np.int64, copy=False)


def seed_of_batch(seed: int, epoch: int, number: int) -> int:
    """The seed of what a data set does at random while a worker reads batch `number` of `epoch`.

    A worker that is started again in the middle of an epoch then does what its predecessor would have done.
    """
    return int(np.random.SeedSequence([seed, _LOADING, epoch, number]).generate_state(1)[0])


def random_state() -> dict[str, Any]:
    """The state of every global generator, as tensors and plain values."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    state: dict[str, Any] = {
        "python": [version, list(words), gauss],
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Go back to `state`; generators of devices that are not here are left alone."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        for device, generator in enumerate(state["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(generator, device)
    if "mps" in state and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])
