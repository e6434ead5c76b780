"""Sequences: lengths that vary, recurrent layers, and packing, which takes another route to the same gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hyrax_runtime.session import open_session
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from hyrax_pack.errors import BranchError, ExportError, StaticShapeError
from hyrax_pack.exporting import Network

Export = Callable[..., Network]


def test_a_dimension_that_varies_is_free_and_bears_its_inputs_name(export: Export, light_curves: Any) -> None:
    network = export(lambda self, x: self.linear(x), light_curves)
    assert network.description.inputs[0].shape == ("N", "input_0.1", 8)
    assert network.outputs[0].shape == ("N", "output_0.1", 8)


def test_lengths_beyond_all_that_were_seen_are_tried(export: Export, light_curves: Any) -> None:
    batches = export(lambda self, x: self.linear(x).sum(1), light_curves).parity["batches"]
    assert {"1 row, the shortest", "1 row, the longest", "1 row, twice as long as any"} <= set(batches)


def test_a_model_that_refuses_longer_sequences_is_held_to_those_it_takes(export: Export, light_curves: Any) -> None:
    def positions(self: Any, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x).sum(1) + torch.eye(10)[x.shape[1]][:8]

    assert "1 row, twice as long as any" not in export(positions, light_curves).parity["batches"]


def test_a_dimension_that_never_varies_is_fixed(export: Export, images: NDArray[np.float32]) -> None:
    network = export(lambda self, x: x.sum(1), images)
    assert network.description.inputs[0].shape == ("N", 6, 6)


def test_dimensions_that_always_agree_share_a_name(export: Export, light_curves: Any) -> None:
    def with_mask(rows: Any) -> Any:
        (steps,) = light_curves(rows)
        return steps, (np.abs(steps).sum(2) > 0).astype(np.float32)

    network = export(lambda self, b: (self.linear(b[0]) * b[1][:, :, None]).sum(1), with_mask, returns="tuple")
    assert [entry.shape for entry in network.description.inputs] == [("N", "input_0.1", 8), ("N", "input_0.1")]


def test_a_length_fixed_by_the_code_is_refused_by_axis(export: Export, light_curves: Any) -> None:
    def unrolled(self: Any, x: torch.Tensor) -> torch.Tensor:
        return sum(self.linear(x[:, step]) for step in range(x.shape[1]))

    with pytest.raises(StaticShapeError, match="fixes axis 1 to the sample's size"):
        export(unrolled, light_curves)


class Encoder(nn.Module):
    """Layers of nn.TransformerEncoder over steps of 8 numbers, under a mask."""

    def __init__(self, mask: Callable[[torch.Tensor], dict[str, torch.Tensor]]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
        self.mask = mask

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.encoder(x, **self.mask(x))[:, 0]


def later(x: torch.Tensor) -> torch.Tensor:
    """True where a step would see a later one."""
    return torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)


def padded(x: torch.Tensor) -> torch.Tensor:
    return (x == 0).all(-1)


MASKS: dict[str, Callable[[torch.Tensor], dict[str, torch.Tensor]]] = {
    "no later step": lambda x: {"mask": later(x)},
    "torch's own for that": lambda x: {"mask": nn.Transformer.generate_square_subsequent_mask(x.shape[1])},
    "no padding": lambda x: {"src_key_padding_mask": padded(x)},
    "neither": lambda x: {"mask": later(x), "src_key_padding_mask": padded(x)},
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_a_transformer_is_exported_under_any_mask(export: Export, light_curves: Any, mask: Any) -> None:
    model = Encoder(mask)
    assert export(model, light_curves).parity["in_float64"]["reason"] is None
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("layer", ["lstm", "gru"])
def test_recurrent_layers_of_any_length_keep_their_own_operator(export: Export, light_curves: Any, layer: str) -> None:
    for _ in range(2):  # torch's dispatcher remembered the first export and failed the second
        network = export(lambda self, x: getattr(self, layer)(x)[0].sum(1), light_curves)
        assert network.route == "dynamo"
        assert layer.upper().encode() in network.graph


class Packed(nn.Module):
    """A recurrent layer over packed sequences, and one of the things that can be taken from it."""

    def __init__(self, kind: str, takes: str, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = getattr(nn, kind)(8, 4, batch_first=True, **options)
        self.takes = takes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lengths = (x.abs().sum(2) != 0).sum(1)
        output, state = self.layer(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        if self.takes == "steps":
            return pad_packed_sequence(output, batch_first=True)[0].sum(1)
        hidden = state[0] if isinstance(state, tuple) else state
        return hidden[-1]


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("takes", ["steps", "the last state"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}], ids=["one layer", "four"])
def test_packed_sequences_take_the_other_route_through_the_same_gate(
    export: Export, light_curves: Any, kind: str, takes: str, options: dict[str, Any], capfd: Any
) -> None:
    network = export(Packed(kind, takes, **options), light_curves)
    assert network.route == "torchscript"
    assert network.description.opset == 21
    assert len(network.outputs) == 1
    (padded,) = light_curves([100, 3, 50])
    outputs = open_session(network.graph, network.weights.data if network.weights.size else None).run(
        {"input_0": padded}
    )
    assert outputs["output_0"].shape == network.compute((padded,))["output_0"].shape
    assert capfd.readouterr() == ("", "")


def test_an_unrolled_rnn_takes_the_other_route(export: Export, light_curves: Any) -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.RNN(8, 4, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x)[0]

    assert export(Plain(), light_curves).route == "torchscript"


def test_a_value_taken_out_of_a_packing_model_is_refused_with_its_line(export: Export, light_curves: Any) -> None:
    class Peeking(Packed):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if float(x.max()) > 1e6:
                return super().forward(-x)
            return super().forward(x)

    with pytest.raises(BranchError, match=r"test_sequences.py:\d+.* turns a tensor into a Python value"):
        export(Peeking("LSTM", "steps"), light_curves)


def test_a_slot_that_comes_and_goes_is_refused(export: Export, table: NDArray[np.float32]) -> None:
    def make(rows: Any) -> Any:
        return table[list(rows)], None if len(rows) == 1 else table[list(rows)]

    with pytest.raises(ExportError, match="slot 1: there for some rows and absent for others"):
        export(lambda self, b: b[0], make, returns="tuple")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda rows: (np.ones((3, 2), np.float32),), r"slot 0: shape \(3, 2\) for 64 rows", id="rows"),
        pytest.param(
            lambda rows: (np.ones((len(rows), 2), np.float32 if len(rows) > 1 else np.float64),),
            "its dtype changes with the rows: float32, float64",
            id="dtype",
        ),
        pytest.param(lambda rows: (None,), "no rows at all", id="nothing"),
    ],
)
def test_slots_that_are_no_batch_are_refused(export: Export, make: Any, says: str) -> None:
    with pytest.raises(ExportError, match=says):
        export(lambda self, x: x, make)
