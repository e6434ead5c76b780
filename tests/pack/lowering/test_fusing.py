"""One graph of two: names meet, weights stay outside, and what does not fit says so."""

import numpy as np
import onnx
import pytest
from hyrax_runtime.difference import Allowance
from hyrax_runtime.graph_gate import read_graph
from hyrax_runtime.session import open_session
from onnx import TensorProto, helper, numpy_helper

from hyrax_pack.errors import LoweringError
from hyrax_pack.lowering import check_fused, fuse, measure_speed
from tests.pack.lowering.cases import build_case

TEXT = """
def to_tensor(d):
    import numpy as np

    x = np.asarray(d["data"]["x"], dtype=np.float32)
    return (x - x.mean(axis=1, keepdims=True)) / (x.std(axis=1, keepdims=True) + 1e-6)
"""
WEIGHTS = np.random.default_rng(3).normal(size=(6, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def case():
    return build_case(TEXT, {"data/x": ["float32", [6], -3, 30]})


@pytest.fixture(scope="module")
def lowered(case):
    return case.lower()


def network(*, taken="slot_0", inner="hidden", dtype=TensorProto.FLOAT, opset=21, extra=None):
    """A dense layer whose weight stands outside, in weights.bin."""
    weight = numpy_helper.from_array(WEIGHTS, "weight")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", str(WEIGHTS.nbytes))):
        weight.external_data.add(key=key, value=value)
    graph = helper.make_graph(
        [helper.make_node("MatMul", [taken, "weight"], [inner]), helper.make_node("Relu", [inner], ["scores"])],
        "network",
        [helper.make_tensor_value_info(taken, dtype, ["N", 6])],
        [helper.make_tensor_value_info("scores", dtype, ["N", 16])],
        [weight],
    )
    imports = [helper.make_opsetid("", opset), *([] if extra is None else [helper.make_opsetid(extra, 1)])]
    return helper.make_model(graph, opset_imports=imports, ir_version=10).SerializeToString()


def weights():
    return memoryview(WEIGHTS.tobytes())


def test_the_fused_graph_gives_what_the_two_give(case, lowered):
    fused = fuse(lowered, network())
    worst = check_fused(
        fused,
        lowered,
        network(),
        weights(),
        contract=case.contract,
        examples=[case.data_dict],
        allowed={"scores": Allowance(1e-5)},
    )
    assert worst <= 1e-5


def test_the_weights_stay_outside_and_only_fields_go_in(lowered):
    fused = fuse(lowered, network())
    held = {one.name: one for one in onnx.load_model_from_string(fused).graph.initializer}
    assert held["weight"].data_location == TensorProto.EXTERNAL
    facts = read_graph(fused, "fused.onnx")
    assert [port.name for port in facts.inputs] == ["data/x"]
    assert [port.name for port in facts.outputs] == ["scores"]


def test_a_name_that_both_graphs_use_is_kept_apart(case, lowered):
    inner = next(name for node in onnx.load_model_from_string(lowered.model).graph.node for name in node.output)
    graph = network(inner=inner)
    fused = fuse(lowered, graph)
    allowed = {"scores": Allowance(1e-5)}
    assert (
        check_fused(
            fused, lowered, graph, weights(), contract=case.contract, examples=[case.data_dict], allowed=allowed
        )
        <= 1e-5
    )


def test_a_fused_graph_that_differs_is_refused(case, lowered):
    wrong = onnx.load_model_from_string(fuse(lowered, network()))
    next(node for node in wrong.graph.node if node.op_type == "Relu").op_type = "Abs"
    with pytest.raises(LoweringError, match="'scores' differs by"):
        check_fused(
            wrong.SerializeToString(),
            lowered,
            network(),
            weights(),
            contract=case.contract,
            examples=[case.data_dict],
            allowed={"scores": Allowance(1e-5)},
        )


def test_a_fused_graph_that_differs_for_nan_alone_is_refused(case, lowered):
    wrong = onnx.load_model_from_string(fuse(lowered, network()))
    relu = next(node for node in wrong.graph.node if node.op_type == "Relu")
    relu.op_type = "Max"  # of NaN and a number a runtime may make either
    relu.input.append("nothing")
    wrong.graph.initializer.append(numpy_helper.from_array(np.float32(0), "nothing"))
    isnan = helper.make_node("IsNaN", ["hidden"], ["is_nan"])
    number = helper.make_node("Where", ["is_nan", "nothing", "hidden"], ["number"])
    relu.input[0] = "number"
    at = list(wrong.graph.node).index(relu)
    for place, node in enumerate((isnan, number)):
        wrong.graph.node.insert(at + place, node)
    with pytest.raises(LoweringError, match=r"'scores' differs .* for a row under stress"):
        check_fused(
            wrong.SerializeToString(),
            lowered,
            network(),
            weights(),
            contract=case.contract,
            examples=[case.data_dict],
            allowed={"scores": Allowance(1e-5)},
        )


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (network(taken="image"), "takes 'image'; the lowered to_tensor gives 'slot_0'"),
        (network(dtype=TensorProto.DOUBLE), "'slot_0' as double; the lowered to_tensor gives float"),
        (network(opset=18), "is of ai.onnx 18"),
        (network(extra="com.example"), "com.example 1"),
    ],
    ids=["another input", "another dtype", "another opset", "another domain"],
)
def test_what_does_not_fit_is_refused(lowered, graph, words):
    with pytest.raises(LoweringError, match=words):
        fuse(lowered, graph)


def test_a_network_output_named_like_a_field_is_refused(lowered):
    graph = onnx.load_model_from_string(network())
    graph.graph.node[1].output[0] = graph.graph.output[0].name = "data/x"
    with pytest.raises(LoweringError, match="bears the name of a field"):
        fuse(lowered, graph.SerializeToString())


def test_speed_is_measured_with_and_without_the_network(case, lowered):
    whole = measure_speed(lowered, case.function, contract=case.contract, examples=[case.data_dict], rows=8)
    assert whole.rows == 8
    assert whole.replay_us > 0 < whole.lowered_us
    assert whole.preferred == ("lowered" if whole.ratio <= 1 else "replay")
    both = measure_speed(
        lowered,
        case.function,
        contract=case.contract,
        examples=[case.data_dict],
        network=network(),
        fused=fuse(lowered, network()),
        weights=weights(),
        rows=8,
    )
    assert both.replay_us > 0 < both.lowered_us


def test_the_session_takes_the_fused_graph_with_the_networks_own_weights(case, lowered):
    session = open_session(fuse(lowered, network()), weights(), memory="shared")
    x = np.stack(case.data_dict["data"]["x"])
    assert session.run({"data/x": x})["scores"].shape == (len(x), 16)


PICKING = """
def to_tensor(d):
    import numpy as np

    return np.asarray(d["data"]["band"], dtype=np.int64)
"""


def test_a_network_that_refuses_some_whole_numbers_fuses_all_the_same():
    case = build_case(PICKING, {"data/band": ["int64", [], 0, 5]})
    lowered = case.lower()
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "slot_0"], ["scores"])],
        "network",
        [helper.make_tensor_value_info("slot_0", TensorProto.INT64, ["N"])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 16])],
        [numpy_helper.from_array(WEIGHTS, "table")],
    )
    picking = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()
    fused = fuse(lowered, picking)
    allowed = {"scores": Allowance(0.0)}
    examples = [case.data_dict]
    assert check_fused(fused, lowered, picking, None, contract=case.contract, examples=examples, allowed=allowed) == 0
