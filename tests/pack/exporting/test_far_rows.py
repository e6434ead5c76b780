"""Operators hold for every number, not only for those of the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from hyrax_runtime.session import open_session
from numpy.typing import NDArray

from hyrax_pack.errors import ParityError
from hyrax_pack.exporting import Network
from hyrax_pack.exporting.far_rows import check_far_rows

Export = Callable[..., Network]

VALUES = np.float32([0, 1e-8, 0.5, -0.5, 20, -20, 88, -88, 100, -100, 1e4, -1e4, 1e20, -1e20, np.inf, -np.inf, np.nan])
ANSWERS: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "logsigmoid": lambda self, x: F.logsigmoid(x),
    "logaddexp": lambda self, x: torch.logaddexp(x[:, :1], x[:, 1:2]),
    "logaddexp2": lambda self, x: torch.logaddexp2(x[:, :1], x[:, 1:2]),
    "a softplus by hand": lambda self, x: torch.logaddexp(x, torch.zeros_like(x)),
    "logsigmoid in float64": lambda self, x: F.logsigmoid(x.double()),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_operator_that_torch_writes_so_that_it_overflows_is_right_everywhere(
    export: Export, answer: Callable[..., Any]
) -> None:
    network = export(answer)
    rows = np.stack(np.meshgrid(VALUES, VALUES), axis=-1).reshape(-1, 2).repeat(4, axis=1)
    found = open_session(network.graph, network.weights.data).run({"input_0": rows})["output_0"]
    np.testing.assert_allclose(found, network.compute((rows,))["output_0"], rtol=1e-5, atol=1e-6)


def test_a_graph_that_overflows_beyond_the_data_is_refused(export: Export, table: NDArray[np.float32]) -> None:
    network = export(lambda self, x: F.softplus(x))
    graph = onnx.load_from_string(network.graph)
    del graph.graph.node[:]
    graph.graph.node.extend(
        [
            onnx.helper.make_node("Exp", ["input_0"], ["e"]),
            onnx.helper.make_node("Constant", [], ["one"], value_float=1.0),
            onnx.helper.make_node("Add", ["e", "one"], ["s"]),
            onnx.helper.make_node("Log", ["s"], ["output_0"]),
        ]
    )
    session = open_session(graph.SerializeToString(), None)
    with pytest.raises(ParityError, match=r"rows of the data times .*: row \d+ is inf in the graph and \d+.* in torch"):
        check_far_rows(session, network.reference, network.layout, (table,))


def test_what_overflows_in_torch_too_is_let_be(export: Export) -> None:
    export(lambda self, x: torch.exp(x))
