"""Whole numbers that torch refuses: the graph refuses them too, instead of taking the last row of a table for -1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hyrax_runtime.errors import RunError
from hyrax_runtime.session import open_session
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from hyrax_pack.exporting import Network
from tests.pack.exporting.conftest import Wrapped

Export = Callable[..., Network]


class Embedded(nn.Module):
    """An image's numbers beside the row of a table; of two tables, where there are two columns."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(8, 4)
        self.table, self.other = nn.Embedding(6, 4), nn.Embedding(100, 4)

    def forward(self, batch: Any) -> torch.Tensor:
        x, at = batch
        if at.ndim == 2:
            return self.linear(x) + self.table(at[:, 0]) + self.other(at[:, 1])
        return self.linear(x) + self.table(at)


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.GRU(8, 4, batch_first=True)

    def forward(self, batch: Any) -> torch.Tensor:
        x, lengths = batch
        return self.layer(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))[1][0]


def beside(table: NDArray[np.float32], at: NDArray[Any]) -> Callable[[Sequence[int]], Any]:
    return lambda rows: (table[list(rows)], at[list(rows)])


def ask(network: Network, *slots: NDArray[Any]) -> NDArray[Any]:
    session = open_session(network.graph, network.weights.data if network.weights.size else None)
    return session.run(network.layout.feed(slots))["output_0"]


INDICES = np.random.default_rng(3).integers(0, 5, 120)  # the data never shows the last row of the table
ANSWERS: dict[str, tuple[nn.Module, list[int]]] = {
    "an embedding": (Embedded(), [-1, -6, 6, -(2**40)]),
    "gather": (Wrapped(lambda self, b: b[0].gather(1, b[1][:, None])), [-1, 8]),
    "one_hot": (Wrapped(lambda self, b: torch.cat([b[0], F.one_hot(b[1], 6).float()], 1)), [-1, 6, 9]),
}


@pytest.mark.parametrize(("model", "values"), ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_an_index_that_torch_refuses_is_refused_by_the_graph(
    export: Export, table: NDArray[np.float32], model: nn.Module, values: list[int], dtype: Any
) -> None:
    if dtype == np.int32 and not isinstance(model, Embedded):
        pytest.skip("torch takes indices of 64 bits only here")
    network = export(model, beside(table, INDICES.astype(dtype)), returns="tuple")
    for value in [0, 5]:  # the greatest was never seen, and torch answers for it
        slots = table[:2], np.array([value, 1], dtype)
        np.testing.assert_allclose(ask(network, *slots), network.compute(slots)["output_0"], rtol=1e-5, atol=1e-6)
    for value in values:
        if value < np.iinfo(dtype).min:
            continue
        slots = table[:2], np.array([value, 1], dtype)
        with pytest.raises((IndexError, RuntimeError)):
            network.compute(slots)
        with pytest.raises(
            RunError, match=r"^input_1 holds a value below 0 or above \d+, which the model refuses; leave"
        ):
            ask(network, *slots)
    assert any("slot 1 of to_tensor: the graph refuses values below 0 or above" in note for note in network.notes)


def test_two_columns_have_bounds_of_their_own(export: Export, table: NDArray[np.float32]) -> None:
    indices = np.stack([INDICES, INDICES + 20], axis=1)
    network = export(Embedded(), beside(table, indices), returns="tuple")
    ask(network, table[:1], np.array([[5, 99]]))
    for wrong in ([6, 30], [1, 100], [-1, 30], [1, -1]):
        with pytest.raises(RunError, match="below 0 or above 5, 99"):
            ask(network, table[:1], np.array([wrong]))


RAGGED = np.random.default_rng(2)
CURVES = [RAGGED.normal(size=(steps, 8)).astype(np.float32) for steps in RAGGED.integers(4, 20, 120)]


def padded_curves(rows: Sequence[int]) -> Any:
    padded = np.zeros((len(rows), max(len(CURVES[row]) for row in rows), 8), np.float32)
    for place, row in enumerate(rows):
        padded[place, : len(CURVES[row])] = CURVES[row]
    return padded, np.array([len(CURVES[row]) for row in rows])


def the_last_step(self: Any, batch: Any) -> torch.Tensor:
    x, lengths = batch
    return self.linear(x)[torch.arange(x.shape[0]), lengths - 1]


@pytest.mark.parametrize(
    ("model", "right", "wrong", "says"),
    [
        pytest.param(Packed(), [40, 1], [0, 41, -1], r"below 1 or above input_0\.1", id="packed"),
        pytest.param(
            Wrapped(the_last_step), [40, -39], [41, -40], r"below -input_0\.1\+1 or above", id="the last step"
        ),
    ],
)
def test_a_length_is_bound_by_the_sequence_it_counts(
    export: Export, model: nn.Module, right: list[int], wrong: list[int], says: str
) -> None:
    network = export(model, padded_curves, returns="tuple")
    long = np.random.default_rng(4).normal(size=(2, 40, 8)).astype(np.float32)
    slots = long, np.array(right)
    np.testing.assert_allclose(ask(network, *slots), network.compute(slots)["output_0"], rtol=1e-5, atol=1e-6)
    for value in wrong:
        with pytest.raises(RunError, match=f"input_1 holds a value {says}"):
            ask(network, long, np.array([value, 6]))


def test_counts_that_no_table_is_asked_for_have_no_bounds(export: Export, table: NDArray[np.float32]) -> None:
    network = export(
        Wrapped(lambda self, b: self.linear(b[0]) * b[1][:, None].float()), beside(table, INDICES), returns="tuple"
    )
    assert not any("the graph refuses" in note for note in network.notes)
    ask(network, table[:2], np.array([-5, 10**12]))
