"""In float64, where no rounding hides anything, graph and model are the same function; or export says why not asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from hyrax_pack.exporting import Network, parity_table
from tests.pack.exporting.conftest import Wrapped

Export = Callable[..., Network]
Answer = Callable[[Any, torch.Tensor], torch.Tensor]


def zscore(self: Any, x: torch.Tensor) -> torch.Tensor:
    return self.linear((x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-6))


# What float32 blurs, or holds in constants that are rounded: none of it is a wrong graph.
RIGHT: dict[str, Answer] = {
    "numbers of Python take a level off": lambda self, x: self.linear((x - 5000.1) / 3.3),
    "so does a constant": lambda self, x: self.linear((x - torch.tensor([5000.1] * 8)) * 0.30303),
    "a constant made of others": lambda self, x: self.linear(x - torch.linspace(4999.3, 5000.7, 8)),
    "rows are normalised inside": zscore,
    "normalisation is folded into a layer": lambda self, x: self.norm(self.linear(x)),
    "a gate of erf": lambda self, x: F.gelu(self.linear(x)),
    "magnitudes": lambda self, x: self.linear(22.5 - 2.5 * torch.log10(x.abs() + 1e-3)),
    "phases": lambda self, x: self.linear(torch.sin(2 * math.pi * torch.remainder(x / 1.7, 1.0))),
    "half precision on the way": lambda self, x: self.linear((x / 5000).half().float()),
    "experts, the best of which answers": lambda self, x: torch.where(
        self.gate(x).argmax(1, keepdim=True) > 1, self.experts[0](x), self.experts[1](x)
    ),
    "steps": lambda self, x: self.lstm(x[:, :, None].expand(-1, -1, 8))[0][:, -1],
}


@pytest.mark.parametrize("level", [100.0, 5000.0], ids=["of 100", "of 5000"])
def test_a_rotation_of_images_on_a_level_is_the_same_function(
    export: Export, images: NDArray[np.float32], level: float
) -> None:
    """The constants of a rotation move single pixels; and ONNX's own affine grid is in float32."""

    def answer(self: Any, x: torch.Tensor) -> torch.Tensor:
        turn = torch.tensor([[[0.8, -0.6, 0.0], [0.6, 0.8, 0.0]]]).expand(len(x), 2, 3)
        grid = F.affine_grid(turn, [len(x), 1, 6, 6], align_corners=False)
        return F.grid_sample(x[:, None], grid, align_corners=False).flatten(1)

    assert export(answer, images + np.float32(level)).parity["in_float64"]["reason"] is None


@pytest.mark.parametrize("seed", [1, 2])
def test_statistics_of_groups_are_in_float64_too(export: Export, images: NDArray[np.float32], seed: int) -> None:
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Conv2d(1, 8, 3), nn.GroupNorm(2, 8), nn.SiLU(), nn.Flatten(), nn.Linear(128, 3))
    assert export(layers, images[:, None] * np.float32(1e-4)).parity["in_float64"]["reason"] is None


@pytest.mark.parametrize("level", [0.0, 5000.0], ids=["data around 0", "data on a level of 5000"])
@pytest.mark.parametrize("answer", RIGHT.values(), ids=RIGHT.keys())
def test_a_right_graph_is_the_same_function(
    export: Export, table: NDArray[np.float32], answer: Answer, level: float
) -> None:
    parity = export(answer, table + np.float32(level)).parity
    assert parity["in_float64"] == {"rows": 17, "reason": None}


def test_the_table_says_how_many_rows_were_compared_in_float64(export: Export) -> None:
    table = parity_table(export(lambda self, x: self.linear(x)).parity)
    assert table.splitlines()[-1] == "the graph itself in float64: 17 rows, the same function"


class Packed(nn.Module):
    """Packs its sequences by their lengths, which ONNX's reference implementation takes no notice of."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.LSTM(8, 4, batch_first=True)

    def forward(self, batch: Any) -> torch.Tensor:
        steps, lengths = batch
        packed = pack_padded_sequence(steps, lengths, batch_first=True, enforce_sorted=False)
        return self.layer(packed)[1][0][0]


def test_a_graph_that_cannot_be_run_in_float64_is_held_in_float32_and_the_report_says_why(export: Export) -> None:
    rng = np.random.default_rng(0)
    steps, lengths = rng.normal(size=(120, 6, 8)).astype(np.float32), rng.integers(1, 7, 120)

    def make(rows: Sequence[int]) -> tuple[NDArray[Any], ...]:
        return steps[list(rows)], lengths[list(rows)]

    network = export(Packed(), make, returns="tuple")
    assert network.parity["in_float64"]["reason"] == "ONNX's reference implementation and onnxruntime disagree"
    assert "the graph itself not in float64: ONNX's reference" in parity_table(network.parity)


def test_a_model_without_float64_says_so(export: Export) -> None:
    constants = torch.eye(8)
    network = export(Wrapped(lambda self, x: self.linear(x @ constants)))
    assert "cannot run in float64" in network.parity["in_float64"]["reason"]
