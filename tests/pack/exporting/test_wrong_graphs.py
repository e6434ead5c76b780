"""The gate misses no wrong graph: a right one is changed in one place, and must then be refused.

The model holds what a real one holds: convolution, normalisation, pooling, an embedding beside the image, two outputs.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from hyrax_pack.errors import ParityError
from hyrax_pack.exporting.drawing import Drawn, draw_graph
from hyrax_pack.exporting.meaning import Meaning
from hyrax_pack.exporting.measuring import Measured, measure_model
from hyrax_pack.exporting.procedure import hold_against
from hyrax_pack.exporting.reference import Reference
from hyrax_pack.exporting.reporting import describe_outputs
from hyrax_pack.exporting.weights import Weights

Graph = onnx.ModelProto
Change = Callable[[Graph], None]


class Network(nn.Module):
    """Images (N, 6, 6) and one number beside them to class scores and an embedding."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.square = nn.Linear(72, 72)
        self.scores = nn.Linear(73, 5)
        self.embedding = nn.Linear(72, 4)
        with torch.no_grad():
            self.norm.running_mean.uniform_(-0.2, 0.2)
            self.norm.running_var.uniform_(0.5, 1.5)
        self.eval()

    def forward(self, batch: Any) -> dict[str, torch.Tensor]:
        image, number, _label = batch
        x = torch.relu(self.norm(self.first(image[:, None])))
        x = torch.max_pool2d(torch.relu(self.second(x)), 2).flatten(1)
        x = torch.tanh(self.square(x))
        scores = self.scores(torch.cat([x, number[:, None]], dim=1))
        return {"scores": scores.softmax(1), "embedding": self.embedding(x)}


class WithCounts(Network):
    """One table of scores, embedding and the object's counts, about 1e7."""

    def forward(self, batch: Any) -> dict[str, torch.Tensor]:
        answer, counts = super().forward(batch), 1e6 * batch[0].sum((1, 2))
        return {"scores": answer["scores"], "embedding": torch.cat([answer["embedding"], counts[:, None]], dim=1)}


class WithTime(Network):
    """The number comes as a Julian date, and its column goes into the embedding as well."""

    def forward(self, batch: Any) -> dict[str, torch.Tensor]:
        image, date, label = batch
        answer = super().forward((image, date - 2_460_000.5, label))
        return {"scores": answer["scores"], "embedding": torch.cat([answer["embedding"], date[:, None]], dim=1)}


class OnPedestal(Network):
    """Counts come on a level of 1000, which its first normalisation takes off: float32 is left with a few digits."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1, padding_mode="replicate")
        images, _, _ = rows(level=1000.0)(range(8))
        with torch.no_grad():
            counts = self.first(torch.from_numpy(images)[:, None])
            self.norm.running_mean.copy_(counts.mean((0, 2, 3)))
            self.norm.running_var.copy_(counts.var((0, 2, 3)))
        self.eval()


Make = Callable[[Sequence[int]], tuple[NDArray[Any] | None, ...]]


def rows(*, bright: float = 1.0, origin: float = 0.0, level: float = 0.0) -> Make:
    """120 images on a `level`, one in twenty `bright` times brighter, and numbers counted from `origin`."""
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(120, 6, 6)).astype(np.float32) + np.float32(level)
    images[8::20] *= np.float32(bright)
    numbers = (rng.normal(size=120) + origin).astype(np.float32)
    return lambda at: (images[list(at)], numbers[list(at)], None)


# What stands beside, and must hide nothing.
BESIDE: dict[str, tuple[type[Network], Make]] = {
    "nothing": (Network, rows()),
    "a column of counts": (WithCounts, rows()),
    "saturated rows": (Network, rows(bright=3e4)),
    "counts and saturated rows": (WithCounts, rows(bright=3e4)),
    "Julian dates": (WithTime, rows(origin=2_460_000.5)),
    "a pedestal": (OnPedestal, rows(level=1000.0)),
}


@functools.cache
def right_beside(what: str) -> tuple[Measured[Reference], Drawn]:
    kind, make = BESIDE[what]
    measured = measure_model(kind(), "forward", make, returns="tuple", sample=range(8), held_out=range(8, 120))
    outputs = describe_outputs(measured, None)
    return measured, draw_graph(measured, outputs, make, range(8), 21)


@pytest.fixture(params=BESIDE)
def right(request: pytest.FixtureRequest) -> tuple[Measured[Reference], Drawn]:
    return right_beside(request.param)


def inlined(drawn: Drawn) -> Graph:
    """The graph with its weights inside, so that one change can touch either."""
    model = onnx.load_from_string(drawn.graph)
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            where = {entry.key: entry.value for entry in tensor.external_data}
            start = int(where["offset"])
            tensor.raw_data = bytes(drawn.weights.data[start : start + int(where["length"])])
            del tensor.external_data[:]
            tensor.data_location = TensorProto.DEFAULT
    return model


def changed(drawn: Drawn, change: Change) -> Drawn:
    model = inlined(drawn)
    change(model)
    return dataclasses.replace(drawn, graph=model.SerializeToString(), weights=Weights(memoryview(b"")))


def weight(model: Graph, name: str) -> TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name.endswith(name))


def rewrite(name: str, new: Callable[[NDArray[Any]], NDArray[Any]]) -> Change:
    def change(model: Graph) -> None:
        tensor = weight(model, name)
        array = np.ascontiguousarray(new(numpy_helper.to_array(tensor).copy()))
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))

    return change


def nudged(array: NDArray[Any]) -> NDArray[Any]:
    """One element, the one in the middle of the order, moved by a thousandth of the tensor's scale."""
    flat = array.reshape(-1)
    place = np.argsort(np.abs(flat))[flat.size // 2]
    flat[place] += 1e-3 * np.abs(flat).max()
    return array


def node(model: Graph, operator: str, place: int = 0) -> onnx.NodeProto:
    return [each for each in model.graph.node if each.op_type == operator][place]


def swap(operator: str, other: str, place: int = 0, **attributes: Any) -> Change:
    def change(model: Graph) -> None:
        found = node(model, operator, place)
        found.op_type = other
        if attributes:
            del found.attribute[:]
            found.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())

    return change


def attribute(operator: str, name: str, value: Any) -> Change:
    def change(model: Graph) -> None:
        found = node(model, operator)
        kept = [each for each in found.attribute if each.name != name]
        del found.attribute[:]
        found.attribute.extend([*kept, helper.make_attribute(name, value)])

    return change


def insert(output: str, *operators: tuple[str, list[Any], dict[str, Any]]) -> Change:
    """Put operators behind the value that becomes `output`; further inputs are constants."""

    def change(model: Graph) -> None:
        producer = next(each for each in model.graph.node if output in each.output)
        producer.output[list(producer.output).index(output)] = "before_0"
        for step, (operator, constants, attributes) in enumerate(operators):
            names = []
            for number, constant in enumerate(constants):
                names.append(f"constant_{step}_{number}")
                model.graph.initializer.append(numpy_helper.from_array(np.asarray(constant), names[-1]))
            last = step == len(operators) - 1
            target = output if last else f"before_{step + 1}"
            model.graph.node.append(helper.make_node(operator, [f"before_{step}", *names], [target], **attributes))

    return change


def drop_output(model: Graph) -> None:
    del model.graph.output[1]


def rename_output(model: Graph) -> None:
    model.graph.node.append(helper.make_node("Identity", ["scores"], ["probabilities"]))
    model.graph.output[0].name = "probabilities"


def exchange_outputs(model: Graph) -> None:
    first, second = (onnx.ValueInfoProto() for _ in range(2))
    first.CopyFrom(model.graph.output[0])
    second.CopyFrom(model.graph.output[1])
    model.graph.output[0].CopyFrom(second)
    model.graph.output[1].CopyFrom(first)


def rename_input(model: Graph) -> None:
    for each in model.graph.node:
        for place, name in enumerate(each.input):
            if name == "input_1":
                each.input[place] = "number"
    model.graph.input[1].name = "number"


def bake_the_batch(model: Graph) -> None:
    for entry in model.graph.input:
        entry.type.tensor_type.shape.dim[0].dim_value = 3


def forget_the_number(model: Graph) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0), "nought"))
    concat = node(model, "Concat")
    place = next(at for at, name in enumerate(concat.input) if "unsqueeze" in name)
    model.graph.node.insert(0, helper.make_node("Unsqueeze", ["input_1", "axis_1"], ["unread"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "axis_1"))
    model.graph.node.insert(1, helper.make_node("Mul", ["unread", "nought"], ["silent"]))
    concat.input[place] = "silent"


def exchange_concat(model: Graph) -> None:
    concat = node(model, "Concat")
    concat.input[0], concat.input[1] = concat.input[1], concat.input[0]


WRONG: dict[str, Change] = {
    **{
        f"{name} nudged by a thousandth of its scale": rewrite(name, nudged)
        for name in ("second.weight", "second.bias", "square.weight", "square.bias", "scores.weight", "scores.bias")
    },
    "embedding.weight nudged by a thousandth of its scale": rewrite("embedding.weight", nudged),
    "one weight of zero": rewrite(
        "embedding.weight", lambda w: np.where(np.arange(w.size).reshape(w.shape) == 7, 0, w)
    ),
    "a square weight transposed": rewrite("square.weight", lambda w: w.T),
    "two rows of a weight exchanged": rewrite("scores.weight", lambda w: w[[1, 0, 2, 3, 4]]),
    "a kernel mirrored": rewrite("second.weight", lambda w: w[..., ::-1]),
    "channels in another order": rewrite("second.weight", lambda w: w[:, ::-1]),
    "a bias of zeros": rewrite("scores.bias", np.zeros_like),
    "weights in half precision": rewrite("square.weight", lambda w: w.astype(np.float16).astype(np.float32)),
    "relu became leaky": swap("Relu", "LeakyRelu", place=1, alpha=1e-3),
    "relu became abs": swap("Relu", "Abs"),
    "relu lost": swap("Relu", "Identity", place=1),
    "tanh became softsign": swap("Tanh", "Softsign"),
    "maximum became mean": swap("MaxPool", "AveragePool", kernel_shape=[2, 2], strides=[2, 2]),
    "softmax over the batch": attribute("Softmax", "axis", 0),
    "log of the softmax": swap("Softmax", "LogSoftmax", axis=1),
    "padding on one side": attribute("Conv", "pads", [2, 2, 0, 0]),
    "another scale of a matrix product": attribute("Gemm", "alpha", 1.0001),
    "inputs of a concatenation exchanged": exchange_concat,
    "an output dropped": drop_output,
    "an output renamed": rename_output,
    "outputs exchanged": exchange_outputs,
    "an input renamed": rename_input,
    "the batch of the sample baked in": bake_the_batch,
    "the batch baked into a reshape": insert("embedding", ("Reshape", [np.array([3, -1], np.int64)], {})),
    "an input that no longer counts": forget_the_number,
    "rows in reverse order": insert(
        "embedding",
        ("Slice", [np.array([-1]), np.array([np.iinfo(np.int64).min]), np.array([0]), np.array([-1])], {}),
    ),
    "the first row for all": insert("embedding", ("Gather", [np.zeros(1, np.int64)], {"axis": 0})),
    "rows of the first batch only": insert("embedding", ("Slice", [np.array([0]), np.array([3]), np.array([0])], {})),
    "the batch axis lost": insert("embedding", ("Squeeze", [], {})),
    "the mean over rows": insert("embedding", ("ReduceMean", [np.array([0])], {"keepdims": 1})),
    "a running sum over rows": insert("embedding", ("CumSum", [np.array(0)], {})),
    "an output in half precision": insert(
        "embedding", ("Cast", [], {"to": TensorProto.FLOAT16}), ("Cast", [], {"to": TensorProto.FLOAT})
    ),
    "an output of another dtype": insert("embedding", ("Cast", [], {"to": TensorProto.DOUBLE})),
    "a threshold that few values reach": insert("embedding", ("Clip", [np.float32(-1e9), np.float32(0.1)], {})),
    "dropout left on": insert("embedding", ("Dropout", [np.float32(0.1), np.array(True)], {"seed": 1})),
    "negative values NaN": insert("embedding", ("Sqrt", [], {})),
    "rounded to four places": insert(
        "embedding", ("Mul", [np.float32(1e4)], {}), ("Round", [], {}), ("Div", [np.float32(1e4)], {})
    ),
}


def test_the_right_graph_passes(right: tuple[Measured, Drawn]) -> None:
    measured, drawn = right
    held = hold_against(measured, drawn)
    assert list(held.records) == ["scores", "embedding"]
    assert held.meaning == Meaning(rows=17)
    hold_against(measured, changed(drawn, lambda model: None))


def test_every_change_changes_an_output(right: tuple[Measured, Drawn]) -> None:
    """A case of this page that changed nothing would prove nothing."""
    assert len(WRONG) >= 40
    drawn = right[1]
    before = inlined(drawn).SerializeToString()
    assert all(changed(drawn, change).graph != before for change in WRONG.values())


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_graph_is_refused(right: tuple[Measured, Drawn], change: Change) -> None:
    measured, drawn = right
    with pytest.raises(ParityError):
        hold_against(measured, changed(drawn, change))
