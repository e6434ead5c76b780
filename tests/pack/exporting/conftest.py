"""Small models of every kind that has gone wrong somewhere, and one call that exports them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from hyrax_pack.exporting import Network, export_network

ROWS = 120
SAMPLE = range(8)
HELD_OUT = range(8, ROWS)

Slots = tuple[NDArray[Any] | None, ...]
MakeSlots = Callable[[Sequence[int]], Slots]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def table() -> NDArray[np.float32]:
    """120 rows of 8 numbers."""
    return np.random.default_rng(0).normal(size=(ROWS, 8)).astype(np.float32)


@pytest.fixture(scope="session")
def images() -> NDArray[np.float32]:
    """120 images of 6 x 6 pixels."""
    return np.random.default_rng(1).uniform(size=(ROWS, 6, 6)).astype(np.float32)


@pytest.fixture(scope="session")
def light_curves() -> MakeSlots:
    """Rows of 2 to 9 steps of 8 numbers, padded with zeros to the longest of the batch."""
    rng = np.random.default_rng(2)
    rows = [rng.normal(size=(steps, 8)).astype(np.float32) for steps in rng.integers(2, 10, ROWS)]

    def make(indices: Sequence[int]) -> Slots:
        padded = np.zeros((len(indices), max(len(rows[row]) for row in indices), 8), np.float32)
        for place, row in enumerate(indices):
            padded[place, : len(rows[row])] = rows[row]
        return (padded,)

    return make


class Wrapped(nn.Module):
    """A few layers, and a forward given as a function of module and batch."""

    def __init__(self, answer: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(8, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.5)
        self.gate = nn.Linear(8, 4)
        self.experts = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))
        self.lstm = nn.LSTM(8, 4, batch_first=True)
        self.gru = nn.GRU(8, 4, bidirectional=True, batch_first=True)
        self.answer = answer

    def forward(self, batch: Any) -> Any:
        return self.answer(self, batch)


class Attention(nn.Module):
    """One layer of nn.TransformerEncoder over 6 steps of 6 numbers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 12, batch_first=True), 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.encoder(image)


@pytest.fixture(scope="session")
def model_of() -> Callable[[Callable[[Any, Any], Any]], Wrapped]:
    """Make a model from its forward."""
    return Wrapped


@pytest.fixture
def attention() -> nn.Module:
    """A transformer encoder."""
    return Attention()


@pytest.fixture(scope="session")
def export(table: NDArray[np.float32]) -> Callable[..., Network]:
    """Export a module, or a function of module and batch; by default over `table`, as one array."""

    def export(
        model: nn.Module | Callable[[Any, Any], Any], make: MakeSlots | NDArray[Any] | None = None, **settings: Any
    ) -> Network:
        module = model if isinstance(model, nn.Module) else Wrapped(model)
        rows = table if make is None else make
        if isinstance(rows, np.ndarray):
            array = rows

            def make_slots(indices: Sequence[int]) -> Slots:
                return (array[list(indices)],)
        else:
            make_slots = rows
        settings = {"returns": "array", "sample": SAMPLE, "held_out": HELD_OUT, **settings}
        return export_network(module, settings.pop("hook", "forward"), make_slots, **settings)

    return export
