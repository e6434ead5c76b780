"""The gate lets nothing wrong through: graphs with one fault each, of the kinds that were seen."""

import numpy as np
import pytest
from hyrax_runtime.contract import FieldContract, InputContract
from hyrax_runtime.replay import compile_function
from onnx import TensorProto, helper, numpy_helper

from hyrax_pack.lowering.proving.comparing import find_difference
from hyrax_pack.lowering.proving.gate import Promise, check_graph
from hyrax_pack.lowering.proving.noise import ShakenFunction
from hyrax_pack.lowering.proving.samples import gather_samples

FLOATS, INTS = TensorProto.FLOAT, TensorProto.INT64


def model(nodes, constants=(), dtype=FLOATS, out=FLOATS, shape=("N", 6)):
    graph = helper.make_graph(
        nodes,
        "wrong",
        [helper.make_tensor_value_info("data/x", dtype, ["N", 6])],
        [helper.make_tensor_value_info("y", out, list(shape))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def verdict(body, data, dtype="float32", batch="independent", relative=2e-5):
    text = f"def to_tensor(d):\n    import numpy as np\n    x = np.asarray(d['data']['x'])\n    return {body}\n"
    random = np.random.default_rng(0)
    values = random.uniform(-3, 3, (24, 6)).astype(dtype)
    contract = InputContract((FieldContract("data/x", "array", dtype, (6,), "list", "array", read=True),), batch)
    samples = gather_samples(contract, [{"data": {"x": list(values)}}])
    function = compile_function(text)
    return check_graph(data, function, ShakenFunction(text), [Promise("y", 0, relative)], samples, ["data/x"])


def node(op, *inputs, out="y", **attributes):
    return helper.make_node(op, list(inputs), [out], **attributes)


ONE, AXIS = ("one", np.float32(1)), ("axis", np.array([1]))
WRONG = {
    "a constant that is off by 1e-4": ("x * 2", model([node("Mul", "data/x", "k")], [("k", np.float32(2.0002))])),
    "digits lost near zero": (
        "np.log1p(x)",
        model([node("Add", "data/x", "one", out="u"), node("Log", "u")], [ONE]),
    ),
    "the greatest without NaN": (
        "x.max(axis=1)",
        model([node("ReduceMax", "data/x", "axis", keepdims=0)], [AXIS], shape=["N"]),
    ),
    "the position of the greatest without NaN": (
        "x.argmax(axis=1)",
        model([node("ArgMax", "data/x", axis=1, keepdims=0)], out=INTS, shape=["N"]),
    ),
    "a square root for a power at minus infinity": (
        "np.power(x, np.full(6, 0.5, x.dtype))",
        model([node("Sqrt", "data/x")]),
    ),
    "rounding half up": (
        "np.rint(x)",
        model([node("Add", "data/x", "h", out="u"), node("Floor", "u")], [("h", np.float32(0.5))]),
    ),
    "greater for greater or equal": (
        "np.where(x >= 1, x, 0)",
        model(
            [node("Greater", "data/x", "one", out="c"), node("Where", "c", "data/x", "z")], [ONE, ("z", np.float32(0))]
        ),
    ),
    "a maximum that loses NaN": (
        "np.maximum(x, 0)",
        model([node("Greater", "data/x", "z", out="c"), node("Where", "c", "data/x", "z")], [("z", np.float32(0))]),
    ),
    "the size of the batch fixed": (
        "x / len(x)",
        model([node("Div", "data/x", "n")], [("n", np.float32(17))]),
    ),
    "the columns turned around": (
        "x[:, ::-1]",
        model([node("Identity", "data/x")]),
    ),
    "an overflow that stays finite": (
        "np.exp(x)",
        model([node("Min", "data/x", "k", out="u"), node("Exp", "u")], [("k", np.float32(80))]),
    ),
    "an axis that is lost": (
        "x.sum(axis=1, keepdims=True)",
        model([node("ReduceSum", "data/x", "axis", keepdims=0)], [AXIS], shape=["N"]),
    ),
    "another dtype": (
        "x.astype(np.float64)",
        model([node("Identity", "data/x")]),
    ),
    "an error that the graph does not make": (
        "x if np.isfinite(x).all() else [][0]",
        model([node("Identity", "data/x")]),
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_graph_with_one_fault_is_refused(fault):
    body, data = WRONG[fault]
    assert verdict(body, data, batch="joint" if "len" in body else "independent") is not None


def test_a_right_graph_passes():
    assert verdict("x * 2", model([node("Mul", "data/x", "k")], [("k", np.float32(2))])) is None


def test_integers_must_be_exact():
    right = model([node("Add", "data/x", "k")], [("k", np.int64(1))], INTS, INTS)
    assert verdict("x + 1", right, "int64", relative=0.0) is None
    as_double = [node("Cast", "data/x", to=TensorProto.DOUBLE, out="u"), node("Add", "u", "k", out="v")]
    wrong = model([*as_double, node("Cast", "v", to=INTS)], [("k", np.float64(1))], INTS, INTS)
    assert "numpy gives" in str(verdict("x + 1", wrong, "int64", relative=0.0))


def test_a_function_that_answers_differently_each_time_is_refused():
    refusal = verdict(
        "x * (np.random.default_rng().random() > -1) + np.random.random()", model([node("Identity", "data/x")])
    )
    assert "two calls" in str(refusal)
    assert refusal.is_unsound


def test_what_rounding_explains_is_allowed_and_no_more():
    wanted = np.array([[1.0, 1e-6]], np.float32)
    noise = np.array([[1e-7, 1e-7]])
    assert find_difference(wanted, wanted + np.float32([[0, 1e-6]]), 2e-5, noise) is None
    assert find_difference(wanted, wanted + np.float32([[0, 1e-5]]), 2e-5, noise)
    assert find_difference(wanted, wanted + np.float32([[0, 1e-6]]), 2e-5)


@pytest.mark.parametrize("other", [np.nan, np.inf, -np.inf])
def test_no_number_equals_nan_or_infinity(other):
    a, b = np.array([1.0, 2.0]), np.array([1.0, other])
    assert find_difference(a, b, 2e-5, np.full(2, np.inf))
    assert find_difference(b, a, 2e-5, np.full(2, np.inf))
    assert find_difference(b, b.copy(), 2e-5) is None


def test_shaking_moves_a_difference_of_near_numbers_and_not_an_edge():
    from hyrax_pack.lowering.proving.noise import measure_noise

    text = (
        "def to_tensor(d):\n    import numpy as np\n    x = np.asarray(d['data']['x'])\n"
        "    return x - x.mean(axis=1, keepdims=True), np.floor(x * 1.0), np.log1p(x)\n"
    )
    x = np.full((3, 6), 4.0, np.float32)
    x[:, 1] = 1e-5
    contract = InputContract(
        (FieldContract("data/x", "array", "float32", (6,), "list", "array", read=True),), "independent"
    )
    samples = gather_samples(contract, [{"data": {"x": list(x)}}])
    plain = compile_function(text)({"data": {"x": list(x)}})
    apart, floor, log = measure_noise(ShakenFunction(text), samples, {"data/x": x}, plain)
    assert apart[0, 0] > 1e-7
    assert (floor == 0).all()
    assert log[0, 1] < 1e-11
