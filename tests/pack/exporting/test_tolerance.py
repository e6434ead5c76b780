"""The tolerance is measured: 16 times this model's own noise, or 8 ulp at its output's scale."""

from __future__ import annotations

import copy
import gc
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import nn

from hyrax_pack.errors import CoupledRowsError, NoiseError, ParityError
from hyrax_pack.exporting import Network, parity_table
from hyrax_pack.exporting.answering import Answering, Outputs
from hyrax_pack.exporting.drawing import draw_graph
from hyrax_pack.exporting.measuring import measure_model
from hyrax_pack.exporting.modes import in_float64
from hyrax_pack.exporting.noise import Answer, measure_noise
from hyrax_pack.exporting.procedure import hold_against
from hyrax_pack.exporting.reporting import describe_outputs
from hyrax_pack.exporting.slots import Slots
from hyrax_pack.exporting.tolerances import tolerance_of, ulp_at
from hyrax_pack.exporting.trials import Trial
from tests.pack.exporting.conftest import Wrapped

Export = Callable[..., Network]


@pytest.mark.parametrize("scale", [0.0, 1e-40, 0.75, 1.0, 3.0, 1e30])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_an_ulp_is_what_numpy_says_it_is(scale: float, dtype: str) -> None:
    kind = np.dtype(dtype)
    with np.errstate(over="ignore"):
        value = np.minimum(kind.type(scale), np.finfo(kind).max / 2)
    assert ulp_at(float(value), kind) == float(np.spacing(value))


@pytest.mark.parametrize(
    ("floor", "scale", "wanted"),
    [(1e-3, 1.0, 16e-3), (0.0, 1.0, 8 * 2.0**-23), (1e-9, 1.0, 8 * 2.0**-23), (0.0, 100.0, 8 * 2.0**-17)],
)
def test_the_tolerance_is_the_greater_of_sixteen_floors_and_eight_ulp(
    floor: float, scale: float, wanted: float
) -> None:
    assert tolerance_of(floor, scale, np.dtype("float32")) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("dtype", ["int64", "bool", "uint8"])
def test_integers_and_bools_must_be_equal(dtype: str) -> None:
    assert tolerance_of(1.0, 1.0, np.dtype(dtype)) == 0.0


def test_the_noise_floor_is_the_greatest_error_of_float32_against_float64_over_all_rows_tried(
    model_of: Callable[..., nn.Module], table: NDArray[np.float32]
) -> None:
    model = model_of(lambda self, x: torch.tanh(self.linear(x)))
    measured = measure_model(
        model, "forward", lambda rows: (table[list(rows)],), returns="array", sample=range(8), held_out=range(8, 120)
    )
    wide = copy.deepcopy(model).double()
    errors, sizes = [], []
    with torch.no_grad():
        for answer in measured.answers:
            (rows,) = answer.trial.slots
            exact = wide(torch.from_numpy(rows).double()).numpy()
            errors.append(np.abs(model(torch.from_numpy(rows)).numpy() - exact).max(axis=0))
            sizes.append(np.abs(answer.narrow["output_0"]).max(axis=0))
    noise = measured.noise.outputs["output_0"]
    assert measured.noise.reference == "float64"
    assert noise.axis == 1
    seen, scale = np.max(errors, axis=0), np.max(sizes, axis=0)
    usual = min(np.median(seen / scale), 4 * 2.0**-23)  # a column that is exact by luck is allowed what others need
    assert noise.floor == pytest.approx(np.maximum(seen, usual * scale), rel=1e-6)
    assert noise.scale.tolist() == scale.tolist()
    assert noise.tolerance.tolist() == np.maximum(16 * noise.floor, 8 * np.spacing(np.float32(noise.scale))).tolist()


def test_where_float64_cannot_run_the_spread_of_float32_stands_in_and_the_report_says_so(export: Export) -> None:
    constants = torch.eye(8)
    network = export(lambda self, x: self.linear(x @ constants))
    assert network.parity["reference"] == "float32 spread"
    assert "cannot run in float64" in network.parity["reason"]
    assert any("spread of float32" in note for note in network.notes)
    assert np.max(network.outputs[0].tolerance) < 1e-4


def test_where_float64_is_another_function_the_spread_stands_in_too(export: Export) -> None:
    network = export(lambda self, x: (self.linear(x) + 1e7) - 1e7)
    assert "in float64 the model is another function" in network.parity["reason"]
    assert np.max(network.outputs[0].tolerance) < 1e-4


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda self, x: self.linear(x.float()), id="float()"),
        pytest.param(lambda self, x: self.linear(x.to(torch.float32)), id="to(float32)"),
        pytest.param(lambda self, x: self.linear(x) + torch.ones(8, dtype=torch.float32), id="dtype=float32"),
        pytest.param(lambda self, x: self.linear(x.half().float()), id="half()"),
    ],
)
def test_casts_that_the_model_makes_itself_are_widened_too(export: Export, answer: Callable[..., Any]) -> None:
    assert export(answer).parity["reference"] == "float64"


def test_a_model_in_half_precision_is_held_to_its_own_noise(export: Export) -> None:
    model = Wrapped(lambda self, x: self.linear(x.half()).float())
    model.linear.half()
    network = export(model)
    assert 1e-4 < np.max(network.outputs[0].tolerance) < 5e-2


class Precise(nn.Module):
    """Five layers in float64: a row's answer differs from batch to batch by some tens of units in the last place."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        sizes = [8, 256, 256, 256, 256, 4]
        self.net = nn.Sequential(*(nn.Linear(one, other) for one, other in itertools.pairwise(sizes))).double()

    def forward(self, batch: Any) -> torch.Tensor:
        return self.net(batch.double() * 1e4)


class PreciseAndCoupled(Precise):
    def forward(self, batch: Any) -> torch.Tensor:
        answers = super().forward(batch)
        return answers + 1e-9 * answers.mean(0)


def test_a_model_that_answers_in_float64_only_is_no_other_function(export: Export) -> None:
    export(lambda self, x: torch.tanh(self.linear(x)).double())


def test_a_model_in_float64_is_held_to_the_rounding_of_its_own(export: Export) -> None:
    network = export(Precise())
    output = network.outputs[0]
    assert output.dtype == "float64"
    assert np.max(output.tolerance) <= 1e-10 * np.max(output.scale)


def test_rows_that_touch_one_another_in_float64_are_found_where_float32_would_not_show_it(export: Export) -> None:
    with pytest.raises(CoupledRowsError):
        export(PreciseAndCoupled())


def test_an_operator_that_stays_in_float32_is_found_and_the_spread_counts_too(export: Export) -> None:
    def narrow(self: Any, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + torch.from_numpy(np.ones(8, np.float32)).sin()

    network = export(narrow)
    assert network.parity["reference"] == "float32 spread"
    assert "stays below float64 (test_tolerance.py" in network.parity["reason"]


def test_a_model_whose_rounding_swallows_its_answer_is_refused() -> None:
    class Drifting(Answering):
        """Moves every row by a tenth, now in one direction and now in the other, as no sound model does."""

        def run(self, slots: Slots, *, wide: bool = False) -> Outputs:
            raise NotImplementedError

        def run_other_kernels(self, slots: Slots) -> Outputs:
            return {"y": np.full((4, 2), 1.1, np.float32)}

        def check_repeatable(self, slots: Slots, rows: int) -> tuple[str, ...]:
            return ()

    answer = Answer(Trial("4 rows", (np.zeros((4, 1)),), (0, 1, 2, 3)), {"y": np.ones((4, 2), np.float32)}, None)
    with pytest.raises(NoiseError, match="could not tell a right graph from a wrong one"):
        measure_noise(Drifting(), [answer], "it has no float64")


def test_rows_on_which_precision_decides_are_left_out_of_the_floor(export: Export, table: NDArray[np.float32]) -> None:
    """A tie broken by rounding would otherwise widen the tolerance until every graph passes."""
    rows = table.copy()
    rows[60, :] = np.float32(1 / 3)

    def decide(self: Any, x: torch.Tensor) -> torch.Tensor:
        third = x.new_full((1,), 1.0) / 3.0  # float32 and float64 lie on different sides of 1/3
        return torch.where(x[:, :1] > third, 5.0, 0.0) + self.linear(x)

    network = export(decide, rows, held_out=range(40, 80))
    assert np.max(network.outputs[0].tolerance) < 1e-4


def third(self: Any, x: torch.Tensor) -> torch.Tensor:
    """A threshold on which float32 and float64 lie on different sides for a row of thirds."""
    return torch.where(x[:, :1] > x.new_full((1,), 1.0) / 3.0, 5.0, 0.0) + self.linear(x)


def test_rows_on_which_precision_decides_are_named(export: Export, table: NDArray[np.float32]) -> None:
    rows = table.copy()
    rows[60, :] = np.float32(1 / 3)
    network = export(third, rows)
    assert network.parity["outputs"]["output_0"]["unstable_rows"] == [60]
    assert any("rounding decides the answer of 1 of 64 rows tried (rows 60 of the data)" in n for n in network.notes)


def test_where_precision_decides_many_rows_float64_is_no_reference(export: Export, table: NDArray[np.float32]) -> None:
    rows = table.copy()
    rows[60:70, :] = np.float32(1 / 3)
    network = export(third, rows)
    assert network.parity["reference"] == "float32 spread"
    assert "rows float32 and float64 take different decisions" in network.parity["reason"]


def with_rows_of_nan(model: onnx.ModelProto) -> None:
    """Make the answer NaN wherever the first number is positive: for the row of thirds, and no other."""
    producer = next(node for node in model.graph.node if "output_0" in node.output)
    producer.output[0] = "before"
    constants = {"first": np.zeros(1, np.int64), "nought": np.float32(0), "hole": np.float32(np.nan)}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    model.graph.node.extend(
        [
            helper.make_node("Gather", ["input_0", "first"], ["column"], axis=1),
            helper.make_node("Greater", ["column", "nought"], ["positive"]),
            helper.make_node("Where", ["positive", "hole", "before"], ["output_0"]),
        ]
    )


def test_a_nan_is_no_decision(model_of: Callable[..., nn.Module], table: NDArray[np.float32]) -> None:
    """Where float32 and float64 part the graph may agree with either; NaN agrees with neither."""
    rows = table.copy()
    rows[:, 0] = -np.abs(rows[:, 0])
    rows[60, :] = np.float32(1 / 3)

    def make(at: Sequence[int]) -> tuple[NDArray[Any], ...]:
        return (rows[list(at)],)

    measured = measure_model(model_of(third), "forward", make, returns="array", sample=range(8), held_out=range(8, 120))
    assert measured.noise.outputs["output_0"].unstable
    drawn = draw_graph(measured, describe_outputs(measured), make, range(8), 21)
    hold_against(measured, drawn)
    holed = onnx.load_from_string(drawn.graph)
    with_rows_of_nan(holed)
    with pytest.raises(ParityError, match="is nan in the graph"):
        hold_against(measured, replace(drawn, graph=holed.SerializeToString()))


def test_a_column_that_rounding_blurs_is_named(export: Export) -> None:
    def answer(self: Any, x: torch.Tensor) -> torch.Tensor:
        blurred = (self.linear(x)[:, :1] + 3e5) - 3e5
        return torch.cat([self.linear(x), blurred], dim=1)

    network = export(answer)
    assert network.parity["outputs"]["output_0"]["blurred"] == [8]
    assert any("'output_0', column 8: float32 rounding moves the answer by" in note for note in network.notes)
    assert max(network.outputs[0].tolerance[:8]) < 1e-4 < network.outputs[0].tolerance[8]  # type: ignore[index]


def test_a_row_far_noisier_than_its_answer_shows_is_judged_by_its_own_noise(
    export: Export, table: NDArray[np.float32]
) -> None:
    """Saturated rows, whose scores are as large as all others: their noise would be everybody's tolerance."""
    rows = table.copy()
    rows[20::40] *= np.float32(1e4)
    network = export(lambda self, x: torch.cos(self.linear(x) / 10), rows)
    assert np.max(network.outputs[0].tolerance) < 1e-5


def test_decisions_are_counted(export: Export) -> None:
    parity = export(lambda self, x: self.linear(x)).parity
    assert parity["outputs"]["output_0"]["flips"] == 0
    assert parity["outputs"]["output_0"]["decisions"] == parity["rows"] > 100


def dtypes(model: nn.Module) -> set[torch.dtype]:
    return {tensor.dtype for tensor in [*model.parameters(), *model.buffers()] if tensor.is_floating_point()}


@pytest.fixture
def deep() -> Iterator[nn.Module]:
    torch.manual_seed(0)
    yield nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4)).eval()
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("at_once_bytes", [0, 1 << 30], ids=["call by call", "at once"])
def test_the_model_computes_in_float64_and_is_afterwards_as_it_was(deep: nn.Module, at_once_bytes: int) -> None:
    x = torch.rand(5, 8)
    wanted = copy.deepcopy(deep).double()(x.double())
    before = {name: (value.data_ptr(), value.clone()) for name, value in deep.state_dict().items()}
    with torch.no_grad(), in_float64(deep, at_once_bytes=at_once_bytes):
        assert torch.equal(deep(x.double()), wanted)
    after = deep.state_dict()
    assert all(after[name].data_ptr() == place for name, (place, _) in before.items())
    assert all(torch.equal(after[name], value) for name, (_, value) in before.items())


def test_a_large_model_is_never_held_twice(deep: nn.Module) -> None:
    """Between two layers no weight is there in double precision: what a layer needed is gone with its call."""
    shapes = {tensor.shape for tensor in deep.parameters() if tensor.ndim == 2}
    alive: list[int] = []

    def look(*_: Any) -> None:
        tensors = [each for each in gc.get_objects() if type(each) is torch.Tensor]
        alive.append(sum(each.dtype == torch.float64 and each.shape in shapes for each in tensors))

    for layer in deep:
        layer.register_forward_hook(look)
    with torch.no_grad(), in_float64(deep, at_once_bytes=0):
        assert deep(torch.rand(5, 8).double()).dtype == torch.float64
    assert alive == [0] * len(deep)


class Tied(nn.Module):
    """Its second layer is its first one, turned round."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x[:, 0])
        return F.linear(y, self.layer.weight.t()) + y @ self.layer.weight + y @ self.layer.weight.T.T


class First(nn.Module):
    """The first of what a layer gives."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        given = (x, x, x) if isinstance(self.layer, nn.MultiheadAttention) else (x,)
        return self.layer(*given)[0]


USED_ELSEWHERE: dict[str, Callable[[], nn.Module]] = {
    "a transformer": lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
    "attention": lambda: First(nn.MultiheadAttention(8, 2, batch_first=True)),
    "tied weights": Tied,
    "an LSTM": lambda: First(nn.LSTM(8, 4, 2, batch_first=True)),
    "weight normalisation": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(8, 4)),
}


@pytest.mark.parametrize("make", USED_ELSEWHERE.values(), ids=USED_ELSEWHERE.keys())
def test_a_large_model_computes_in_float64_whichever_module_a_weight_belongs_to(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    model, x = make().eval(), torch.rand(3, 5, 8)
    with torch.no_grad():
        wanted = copy.deepcopy(model).double()(x.double())
        with in_float64(model, at_once_bytes=0):
            assert torch.allclose(model(x.double()), wanted, rtol=1e-13, atol=1e-14)
    assert dtypes(model) == {torch.float32}


@pytest.mark.parametrize("at_once_bytes", [0, 1 << 30], ids=["call by call", "at once"])
def test_a_failure_on_the_way_leaves_nothing_cast(deep: nn.Module, at_once_bytes: int) -> None:
    deep[2].register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError), torch.no_grad(), in_float64(deep, at_once_bytes=at_once_bytes):
        deep(torch.rand(5, 8).double())
    assert dtypes(deep) == {torch.float32}


def test_tied_weights_stay_tied(deep: nn.Module) -> None:
    tied = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    tied[1].weight = tied[0].weight
    with torch.no_grad(), in_float64(tied):
        assert tied[1].weight.data_ptr() == tied[0].weight.data_ptr()
        assert dtypes(tied) == {torch.float64}
    assert tied[1].weight is tied[0].weight
    assert dtypes(tied) == {torch.float32}


def test_the_report_reads_as_a_table(export: Export) -> None:
    table = parity_table(export(lambda self, x: {"scores": self.linear(x), "class": x.argmax(1)}).parity).splitlines()
    assert table[0].split()[:3] == ["output", "error", "allowed"]
    assert table[1].startswith("scores ")
    assert table[2].startswith("class ")
    assert "against float64" in table[3]
    assert "batches of 1, 2, 3, 7, 17, 64" in table[3]
