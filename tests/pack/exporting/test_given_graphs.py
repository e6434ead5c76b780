"""Graphs that were made elsewhere go through the same gate, held against themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hyrax_runtime.session import open_session
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hyrax_pack.errors import CoupledRowsError, ExportError, ParityError, RandomnessError
from hyrax_pack.exporting import Network, export_given_graph

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(8, 40)).astype(np.float32)
Give = Callable[..., Network]


def graph(*nodes: onnx.NodeProto, batch: Any = "batch", opset: int = 21, **constants: NDArray[Any]) -> onnx.ModelProto:
    """A graph from `x` (batch, 8) to `y` (batch, 40)."""
    made = helper.make_graph(
        list(nodes),
        "elsewhere",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 40])],
        [numpy_helper.from_array(array, name) for name, array in {"w": WEIGHT, **constants}.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def product(target: str = "y") -> onnx.NodeProto:
    return helper.make_node("MatMul", ["x", "w"], [target], doc_string="made by hand", name="product")


@pytest.fixture
def give(tmp_path: Path, table: NDArray[np.float32]) -> Give:
    def give(model: onnx.ModelProto, rows: NDArray[Any] = table, **settings: Any) -> Network:
        path = tmp_path / "given.onnx"
        if not path.exists():
            onnx.save(model, path)

        def make(indices: Sequence[int]) -> tuple[NDArray[Any], ...]:
            return (rows[list(indices)],)

        settings = {"returns": "array", "sample": range(8), "held_out": range(8, 120), **settings}
        return export_given_graph(path, make, **settings)

    return give


def run(network: Network, x: NDArray[np.float32]) -> NDArray[Any]:
    return open_session(network.graph, network.weights.data).run({"x": x})["y"]


def test_a_graph_keeps_its_names_and_answers_as_before(give: Give, table: NDArray[np.float32]) -> None:
    network = give(graph(product()))
    assert [entry.name for entry in network.description.inputs] == ["x"]
    assert network.outputs[0].shape == ("N", 40)
    assert network.route == "given"
    assert np.allclose(run(network, table[:5]), table[:5] @ WEIGHT, atol=1e-5)
    assert b"made by hand" not in network.graph


def test_its_large_weights_move_out_of_the_graph(give: Give) -> None:
    network = give(graph(product()))
    assert network.weights.size == WEIGHT.nbytes


def test_weights_beside_the_file_are_read(give: Give, tmp_path: Path, table: NDArray[np.float32]) -> None:
    model = graph(product())
    onnx.save(model, tmp_path / "given.onnx", save_as_external_data=True, location="given.data", size_threshold=0)
    assert np.allclose(run(give(model), table[:3]), table[:3] @ WEIGHT, atol=1e-5)


def test_weights_in_another_folder_are_refused(give: Give, tmp_path: Path) -> None:
    model = graph(product())
    onnx.save(model, tmp_path / "given.onnx", save_as_external_data=True, location="given.data", size_threshold=0)
    loaded = onnx.load(tmp_path / "given.onnx", load_external_data=False)
    for entry in loaded.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = "../elsewhere.data"
    (tmp_path / "given.onnx").write_bytes(loaded.SerializeToString())
    with pytest.raises(ExportError, match=r"\.\./elsewhere.data, outside the graph's own folder"):
        give(model)


@pytest.mark.parametrize("size", [1, 4])
def test_a_batch_that_was_fixed_is_freed_and_proven(give: Give, table: NDArray[np.float32], size: int) -> None:
    network = give(graph(product(), batch=size))
    assert network.description.inputs[0].shape == ("N", 8)
    assert run(network, table[:7]).shape == (7, 40)
    assert f"the graph took batches of {size} only; it now takes any" in network.notes


def test_a_batch_that_is_baked_deeper_in_is_refused(give: Give) -> None:
    reshape = helper.make_node("Reshape", ["z", "shape"], ["y"])
    model = graph(product("z"), reshape, batch=1, shape=np.array([1, 40], np.int64))
    with pytest.raises(ParityError, match="the graph fails"):
        give(model)


def test_an_old_opset_is_brought_up(give: Give, table: NDArray[np.float32]) -> None:
    network = give(graph(product("z"), helper.make_node("Relu", ["z"], ["y"]), opset=11))
    assert network.description.opset == 21
    assert np.allclose(run(network, table[:3]), np.maximum(table[:3] @ WEIGHT, 0), atol=1e-5)


def test_random_numbers_are_refused(give: Give) -> None:
    noise = helper.make_node("RandomNormalLike", ["z"], ["n"])
    with pytest.raises(RandomnessError, match="draws random numbers"):
        give(graph(product("z"), noise, helper.make_node("Add", ["z", "n"], ["y"])))


def dropout(training: bool, ratio: float = 0.0005) -> onnx.ModelProto:
    node = helper.make_node("Dropout", ["z", "ratio", "training"], ["y"], name="rare")
    return graph(product("z"), node, ratio=np.float32(ratio), training=np.array(training))


def drawing_in_a_branch() -> onnx.ModelProto:
    """Draws only where the first number of the first row is over a million."""
    y = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
    draw = helper.make_graph([helper.make_node("Bernoulli", ["z"], ["b"], name="draw")], "then", [], [y])
    keep = helper.make_graph([helper.make_node("Identity", ["z"], ["b"])], "else", [], [y])
    nodes = (
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
        helper.make_node("Greater", ["m", "limit"], ["far"]),
        helper.make_node("If", ["far"], ["y"], then_branch=draw, else_branch=keep),
    )
    return graph(product("z"), *nodes, limit=np.float32(1e6))


@pytest.mark.parametrize(
    ("model", "says"),
    [
        pytest.param(dropout(True), r"Dropout, which draws random numbers \(node 'rare'\)", id="one value in 2000"),
        pytest.param(drawing_in_a_branch(), r"Bernoulli, .*node 'draw'", id="in a branch that no row takes"),
    ],
)
def test_operators_that_draw_are_refused_by_name_however_rarely_it_shows(
    give: Give, model: onnx.ModelProto, says: str
) -> None:
    with pytest.raises(RandomnessError, match=says):
        give(model)


@pytest.mark.parametrize("model", [dropout(False), dropout(True, 0.0)], ids=["at inference", "of no value"])
def test_a_dropout_that_drops_nothing_is_no_randomness(give: Give, model: onnx.ModelProto) -> None:
    give(model)


def test_rows_that_touch_are_refused_unless_declared(give: Give) -> None:
    mean = helper.make_node("ReduceMean", ["z", "axis"], ["m"], keepdims=1)
    model = graph(product("z"), mean, helper.make_node("Sub", ["z", "m"], ["y"]), axis=np.array([0], np.int64))
    with pytest.raises(CoupledRowsError, match=r"one unit, wrap it with --joint$"):
        give(model)
    assert give(model, batch="joint").batch == "joint"


def test_a_rule_over_the_batch_names_the_cure_of_wrapping(give: Give) -> None:
    """One bright row among them, and all are answered by nought."""
    limit, nought = np.array(1e3, np.float32), np.array(0, np.float32)
    rule = (
        helper.make_node("ReduceMax", ["x"], ["greatest"], keepdims=0),
        helper.make_node("Greater", ["greatest", "limit"], ["woken"]),
        helper.make_node("Where", ["woken", "nought", "z"], ["y"]),
    )
    with pytest.raises(CoupledRowsError, match=r"if it is meant, wrap it with --joint$"):
        give(graph(product("z"), *rule, limit=limit, nought=nought))


@pytest.mark.parametrize("name", ["object_id", "error"])
def test_an_output_with_the_name_of_a_column_is_to_be_renamed_in_the_graph(give: Give, name: str) -> None:
    model = graph(product("y"))
    model.graph.output[0].name = model.graph.node[0].output[0] = name
    with pytest.raises(ExportError, match="every table of predictions has: rename it in the graph"):
        give(model)


@pytest.mark.parametrize(
    ("model", "rows", "says"),
    [
        pytest.param(
            graph(product()), np.ones((120, 9), np.float32), r"'x' takes float32 \['batch', 8\].*\['N', 9\]", id="shape"
        ),
        pytest.param(graph(product()), np.ones((120, 8)), "takes float32.*gives float64", id="dtype"),
    ],
)
def test_what_to_tensor_gives_must_be_what_the_graph_takes(
    give: Give, model: onnx.ModelProto, rows: NDArray[Any], says: str
) -> None:
    with pytest.raises(ExportError, match=says):
        give(model, rows)


def test_another_number_of_inputs_is_refused(give: Give, tmp_path: Path, table: NDArray[np.float32]) -> None:
    give(graph(product()))
    with pytest.raises(ExportError, match="to_tensor gives 2 tensors; the graph takes 1: x"):
        export_given_graph(
            tmp_path / "given.onnx",
            lambda rows: (table[list(rows)], table[list(rows)]),
            returns="tuple",
            sample=range(8),
            held_out=range(8, 120),
        )


@pytest.mark.parametrize("content", [b"", b"no graph at all", b"\x08\x0a\x12"], ids=["empty", "text", "cut"])
def test_a_file_that_is_no_graph_is_refused(give: Give, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "given.onnx").write_bytes(content)
    with pytest.raises(ExportError, match=r"given.onnx"):
        give(graph(product()))


def test_an_operator_of_a_private_domain_is_refused(give: Give) -> None:
    model = graph(helper.make_node("Magic", ["x"], ["y"], domain="com.example"))
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(ExportError, match=r"com.example::Magic, which is no standard ONNX operator"):
        give(model)


def test_small_weights_that_stand_beside_the_graph_are_taken_in(
    give: Give, table: NDArray[np.float32], tmp_path: Path
) -> None:
    """torch writes every tensor into the file beside the graph, a bias of three numbers too."""
    bias = RNG.normal(size=40).astype(np.float32)
    model = graph(product("p"), helper.make_node("Add", ["p", "b"], ["y"]), b=bias)
    onnx.save(model, tmp_path / "given.onnx", save_as_external_data=True, location="given.data", size_threshold=0)
    np.testing.assert_allclose(run(give(model), table[:5]), table[:5] @ WEIGHT + bias, rtol=1e-5, atol=1e-5)


def test_rows_that_touch_within_a_fixed_batch_are_not_taken_for_rounding(give: Give) -> None:
    mean = helper.make_node("ReduceMean", ["p", "axes"], ["m"], keepdims=1)
    model = graph(product("p"), mean, helper.make_node("Sub", ["p", "m"], ["y"]), batch=4, axes=np.array([0]))
    with pytest.raises(CoupledRowsError, match=r"within its batches of 4.*free batch axis, and wrap it with --joint"):
        give(model)
