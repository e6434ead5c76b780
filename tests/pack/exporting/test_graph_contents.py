"""What stands in the finished graph, and what does not."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hyrax_runtime.graph_gate import read_graph
from hyrax_runtime.session import open_session
from numpy.typing import NDArray
from onnx import TensorProto
from torch import nn

from hyrax_pack.errors import ExportError
from hyrax_pack.exporting import Network
from hyrax_pack.exporting.carried_weights import check_carried_weights
from hyrax_pack.exporting.weights import ALIGN, INLINE_UP_TO_BYTES

Export = Callable[..., Network]


def widened(model_of: Callable[..., nn.Module]) -> nn.Module:
    """Three layers: one below 1 KiB, two above, the first of a size that is no multiple of 64 bytes."""
    model = model_of(lambda self, x: self.narrow(torch.relu(self.wide(self.linear(x)))))
    model.wide, model.narrow = nn.Linear(8, 101), nn.Linear(101, 30)
    return model


@pytest.fixture(scope="module")
def network(export: Export, model_of: Callable[..., nn.Module]) -> Network:
    """A model with weights above and below 1 KiB."""
    return export(widened(model_of))


def test_no_path_of_the_author_is_left(network: Network) -> None:
    for trace in (str(Path(__file__).parent), "site-packages", "pkg.torch", ".py", "stack_trace"):
        assert trace.encode() not in network.graph


def test_nothing_is_noted_beside_the_graph(network: Network) -> None:
    model = onnx.load_from_string(network.graph)
    for part in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        assert not part.metadata_props
        assert not part.doc_string
    for tensor in model.graph.initializer:
        assert not tensor.metadata_props
        assert not tensor.doc_string


def test_tensors_over_a_kibibyte_stand_in_weights_bin_aligned_and_end_to_end(network: Network) -> None:
    end = 0
    outside = 0
    for tensor in onnx.load_from_string(network.graph).graph.initializer:
        size = math.prod(tensor.dims) * 4
        if tensor.data_location == TensorProto.EXTERNAL:
            where = {entry.key: entry.value for entry in tensor.external_data}
            assert set(where) == {"location", "offset", "length"}
            assert where["location"] == "weights.bin"
            assert int(where["offset"]) == end + -end % ALIGN
            assert not any(network.weights.data[end : int(where["offset"])])
            end = int(where["offset"]) + int(where["length"])
            outside += 1
        else:
            assert size <= INLINE_UP_TO_BYTES or tensor.data_type == TensorProto.INT64
    assert outside >= 2
    assert end == network.weights.size


def test_the_runtimes_own_gate_takes_the_graph(network: Network) -> None:
    facts = read_graph(network.graph, "model.onnx")
    assert (facts.opset, facts.ir_version) == (21, 10)
    assert [port.shape for port in facts.inputs] == [("N", 8)]


def test_the_weights_are_the_models_bit_for_bit(network: Network) -> None:
    assert check_carried_weights(network.graph, network.weights, network.reference.model) >= 4


def test_one_model_gives_the_same_bytes_twice(export: Export, model_of: Callable[..., nn.Module]) -> None:
    model = model_of(lambda self, x: self.norm(self.linear(x)))
    first, second = export(model), export(model)
    assert first.graph == second.graph
    assert bytes(first.weights.data) == bytes(second.weights.data)
    assert first.parity == second.parity


def test_large_weights_go_through_a_mapped_file_and_leave_none_behind(
    export: Export,
    model_of: Callable[..., nn.Module],
    table: NDArray[np.float32],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hyrax_pack.exporting.weights.IN_MEMORY_UP_TO_BYTES", 2000)
    mapped = export(widened(model_of), scratch=tmp_path)
    assert type(mapped.weights.data.obj).__name__ == "mmap"
    assert list(tmp_path.iterdir()) == []
    outputs = open_session(mapped.graph, mapped.weights.data).run({"input_0": table[:3]})
    assert np.allclose(outputs["output_0"], mapped.compute((table[:3],))["output_0"], atol=1e-6)
    assert b"".join(mapped.weights.buffers()) == bytes(mapped.weights.data)


def test_a_model_without_weights_has_no_weights_file(export: Export) -> None:
    assert export(lambda self, x: x.sum(1)).weights.size == 0


def test_what_infer_batch_answers_is_what_is_exported(export: Export, table: NDArray[np.float32]) -> None:
    class WithHead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.backbone, self.head = nn.Linear(8, 6), nn.Linear(6, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.backbone(x))

        def infer_batch(self, x: torch.Tensor) -> torch.Tensor:
            return self.backbone(x)

    assert export(WithHead(), hook="infer_batch").outputs[0].shape == ("N", 6)
    assert export(WithHead()).outputs[0].shape == ("N", 2)


def test_names_given_for_outputs_and_classes_are_used(export: Export) -> None:
    names = [f"class {number}" for number in range(8)]
    network = export(lambda self, x: (self.linear(x), x.sum(1)), output_names=["scores", "sum"], classes=names)
    assert [output.name for output in network.outputs] == ["scores", "sum"]
    assert network.outputs[0].classes == tuple(names)
    assert network.outputs[1].classes is None


@pytest.mark.parametrize("classes", [["a", "b"], {"output_0": ["a", "b"]}], ids=["for all", "by name"])
def test_classes_that_fit_no_output_are_refused(export: Export, classes: Any) -> None:
    with pytest.raises(ExportError, match=r"\[model\] classes"):
        export(lambda self, x: self.linear(x), classes=classes)


def test_an_opset_that_torch_would_pass_over_in_silence_is_refused(export: Export) -> None:
    with pytest.raises(ExportError, match="opset 15 is not written any more"):
        export(lambda self, x: self.linear(x), opset=15)


def test_an_empty_data_set_is_refused(export: Export) -> None:
    with pytest.raises(ExportError, match="the data set is empty"):
        export(lambda self, x: self.linear(x), sample=[], held_out=[])


def test_few_rows_are_repeated_and_said_to_be_the_samples(export: Export) -> None:
    network = export(lambda self, x: self.linear(x), sample=[0, 1], held_out=[])
    assert max(network.parity["sizes"]) == 64
    assert network.parity["held_out"] is False
    assert any("no rows were held out" in note for note in network.notes)


def test_the_batch_proof_names_the_sizes_that_were_tried(export: Export) -> None:
    proof = export(lambda self, x: self.linear(x)).batch_proof
    assert {1, 2, 3, 17, 64} <= set(proof["sizes"])
    assert proof["measured"] == "independent"
