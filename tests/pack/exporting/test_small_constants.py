"""A constant that is small, or nearly 1, stays in the graph: it is there for the rows where nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hyrax_runtime.session import open_session
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from hyrax_pack.exporting import Network
from tests.pack.exporting.conftest import Wrapped

Export = Callable[..., Network]

ANSWERS: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "log10(x + 1e-9)": lambda self, x: torch.log10(x.abs() + 1e-9),
    "log(x - -1e-9)": lambda self, x: torch.log(x.abs() - (-1e-9)),
    "x / (sum + 1e-12)": lambda self, x: x / (x.sum(1, keepdim=True) + 1e-12),
    "a score of standard deviations": lambda self, x: (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-8),
    "a root mean square": lambda self, x: x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8),
    "sqrt(sum + 1e-12)": lambda self, x: torch.sqrt(x.square().sum(1) + 1e-12),
    "an entropy": lambda self, x: -(x.relu() * torch.log(x.relu() + 1e-10)).sum(1),
    "a logarithm in float64": lambda self, x: torch.log(x.double().abs() + 1e-12).float(),
    "a sum that is nought": lambda self, x: x / torch.where(x.sum(1, keepdim=True) == 0, 1e-9, x.sum(1, keepdim=True)),
}
ROWS: dict[str, NDArray[np.float32]] = {
    "zeros": np.zeros((3, 8), np.float32),
    "ones": np.ones((3, 8), np.float32),
    "half of it zeros": np.repeat(np.float32([[0, 1]]), 3, axis=0).repeat(4, axis=1),
}


def run(network: Network, rows: NDArray[np.float32]) -> NDArray[Any]:
    session = open_session(network.graph, network.weights.data if network.weights.size else None)
    return session.run(network.layout.feed((rows,)))["output_0"]


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_what_keeps_a_model_from_dividing_by_zero_is_in_the_graph(export: Export, answer: Callable[..., Any]) -> None:
    network = export(answer)
    for rows in ROWS.values():
        wanted = network.compute((rows,))["output_0"]
        np.testing.assert_allclose(run(network, rows), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("factor", [1 + 1e-6, 1 - 1e-6])
def test_a_factor_that_is_nearly_one_is_in_the_graph(export: Export, factor: float) -> None:
    graph = onnx.load_from_string(export(lambda self, x: x * factor).graph)
    assert [node.op_type for node in graph.graph.node] == ["Mul"]


def test_a_factor_of_one_is_not(export: Export) -> None:
    network = export(lambda self, x: self.linear(x * 1.0) / 1.0)
    assert [node.op_type for node in onnx.load_from_string(network.graph).graph.node] == ["Gemm"]


def test_the_older_exporter_keeps_them_too(export: Export, light_curves: Any) -> None:
    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer = nn.GRU(8, 4, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            lengths = (x.abs().sum(2) != 0).sum(1)
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            return torch.log(torch.relu(self.layer(packed)[1][0]) + 1e-9)

    network = export(Packed(), light_curves)
    assert network.route == "torchscript"
    (padded,) = light_curves(range(20))
    wanted = network.compute((padded,))["output_0"]
    assert np.isclose(wanted, np.log(1e-9)).any()
    np.testing.assert_allclose(run(network, padded), wanted, rtol=1e-4)


def test_normalisation_is_folded_into_the_layer_before_it(export: Export) -> None:
    network = export(Wrapped(lambda self, x: torch.relu(self.norm(self.linear(x)))))
    assert [node.op_type for node in onnx.load_from_string(network.graph).graph.node] == ["Gemm", "Relu"]
