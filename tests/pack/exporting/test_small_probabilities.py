"""A probability of 1e-6 is as right in the bundle as one of a half, and so is its logarithm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hyrax_runtime.session import open_session
from numpy.typing import NDArray

from hyrax_pack.exporting import Network

Export = Callable[..., Network]


def rare(self: Any, x: torch.Tensor) -> torch.Tensor:
    """Eight kinds of object, the last one in ten billion."""
    return torch.sigmoid(self.linear(x) - torch.tensor([0.0, 3, 6, 9, 12, 15, 18, 22]))


def operators(network: Network) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(network.graph).graph.node]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(rare, id="themselves"),
        pytest.param(lambda self, x: torch.log(rare(self, x)), id="their logarithms"),
        pytest.param(lambda self, x: {"all": rare(self, x), "rarest": rare(self, x)[:, 7]}, id="picked"),
        pytest.param(lambda self, x: rare(self, x)[:, :4] * rare(self, x)[:, 4:], id="their products"),
    ],
)
def test_small_probabilities_are_right_at_their_own_scale(
    export: Export, table: NDArray[np.float32], answer: Callable[..., Any]
) -> None:
    network = export(answer)
    session = open_session(network.graph, network.weights.data if network.weights.size else None)
    found, wanted = session.run(network.layout.feed((table,))), network.compute((table,))
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5)
    assert "Sigmoid" not in operators(network)


def test_gates_inside_a_network_keep_their_sigmoid(export: Export) -> None:
    network = export(lambda self, x: self.gate(self.linear(x) * torch.sigmoid(self.linear(x))))
    assert operators(network).count("Sigmoid") == 1
