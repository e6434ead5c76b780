"""What other exporters let through: each is refused here, or right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hyrax_runtime.session import open_session
from numpy.typing import NDArray
from torch import nn

from hyrax_pack.errors import (
    BranchError,
    CoupledRowsError,
    ExportError,
    OperatorError,
    OutputFormError,
    ParityError,
    RandomnessError,
    StaticShapeError,
)
from hyrax_pack.exporting import Network
from tests.pack.exporting.conftest import Wrapped

Export = Callable[..., Network]


def run(network: Network, *slots: NDArray[Any] | None) -> dict[str, NDArray[Any]]:
    session = open_session(network.graph, network.weights.data if network.weights.size else None)
    return session.run(network.layout.feed(slots))


def test_the_batch_is_free_in_every_input_and_output(export: Export, table: NDArray[np.float32]) -> None:
    network = export(lambda self, x: self.linear(x))
    assert [entry.shape for entry in network.description.inputs] == [("N", 8)]
    assert [output.shape for output in network.outputs] == [("N", 8)]
    for rows in (1, 2, 50):
        assert run(network, table[:rows])["output_0"].shape == (rows, 8)


def test_a_loop_over_the_rows_is_refused_with_its_line(export: Export) -> None:
    def loop(self: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.linear(x[row]) for row in range(x.shape[0])])

    with pytest.raises(StaticShapeError, match=r"fixes the batch to the sample's size, 3 \(test_silent_fail"):
        export(loop)


def test_a_view_of_a_fixed_batch_is_refused_with_its_line(export: Export) -> None:
    with pytest.raises(ExportError, match=r"64 rows, raises RuntimeError: shape '\[3, -1\]'.*test_silent_failures.py"):
        export(lambda self, x: self.linear(x).view(3, -1))


def test_a_branch_on_a_batch_of_one_is_refused_with_its_line(export: Export) -> None:
    def branch(self: Any, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] == 1:
            return self.linear(x) * 2
        return self.linear(x)

    with pytest.raises(CoupledRowsError, match=r"takes another way there: .*test_silent_failures.py:\d+: return self"):
        export(branch)


@pytest.mark.parametrize("rows", [1, 40])
def test_a_branch_that_the_trace_baked_in_is_found_by_the_gate(export: Export, rows: int) -> None:
    def branch(self: Any, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] == 1 if rows == 1 else x.shape[0] > rows:
            return self.linear(x) * 2
        return self.linear(x)

    with pytest.raises(ParityError, match=r"While tracing, torch took for granted: .*test_silent_fail") as caught:
        export(branch, batch="joint")
    assert caught.value.output == "output_0"
    assert str(rows)[0] in str(caught.value.trial) or "64" in str(caught.value.trial)


def test_a_branch_on_values_is_refused_with_its_line(export: Export) -> None:
    def branch(self: Any, x: torch.Tensor) -> torch.Tensor:
        if (x > 100).any():
            return self.linear(-x)
        return self.linear(x)

    with pytest.raises(BranchError, match=r"test_silent_failures.py:\d+: if \(x > 100\).any\(\)"):
        export(branch)


def test_a_transformer_traced_with_one_row_answers_for_any(
    export: Export, attention: nn.Module, images: NDArray[np.float32]
) -> None:
    network = export(attention, images, sample=[0])
    assert run(network, images[:5])["output_0"].shape == (5, 6, 6)
    assert run(network, images[:1])["output_0"].shape == (1, 6, 6)


@pytest.mark.parametrize("squeeze", [lambda y: y.squeeze(), lambda y: y.squeeze(0)], ids=["every axis", "axis 0"])
def test_a_squeeze_of_the_batch_axis_is_refused(export: Export, squeeze: Callable[..., Any]) -> None:
    with pytest.raises(OutputFormError, match=r"for 1 row, not \(.*: a squeeze\(\) without an axis"):
        export(lambda self, x: squeeze(self.linear(x)[:, :1]))


def test_a_model_in_train_mode_is_exported_as_inference_runs_it(export: Export, table: NDArray[np.float32]) -> None:
    network = export(lambda self, x: self.drop(self.norm(self.linear(x))))
    once, again = (run(network, table[:5])["output_0"] for _ in range(2))
    assert np.array_equal(once, again)


def test_every_flag_is_afterwards_as_it_was(export: Export, model_of: Callable[..., nn.Module]) -> None:
    model = model_of(lambda self, x: self.drop(self.norm(self.linear(x))))
    model.norm.eval()
    flags = [module.training for module in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    export(model)
    assert [module.training for module in model.modules()] == flags
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_dropout_that_is_always_on_is_refused_with_its_line(export: Export) -> None:
    with pytest.raises(RandomnessError, match=r"test_silent_failures.py:\d+.*F.dropout\(x, training=self.training\)"):
        export(lambda self, x: F.dropout(self.linear(x)))


def test_random_numbers_are_refused_with_operator_and_line(export: Export) -> None:
    with pytest.raises(RandomnessError, match=r"aten.randn_like.default draws random numbers \(test_silent_fail"):
        export(lambda self, x: self.linear(x) + torch.randn_like(x))


def test_random_numbers_of_numpy_are_refused(export: Export) -> None:
    with pytest.raises(RandomnessError, match="outside torch"):
        export(lambda self, x: self.linear(x) + np.random.default_rng().random())


def test_a_random_number_that_changes_nothing_is_let_be(export: Export) -> None:
    export(lambda self, x: self.linear(x) + 0 * torch.rand(1))


def test_a_buffer_that_inference_changes_is_refused_by_name(export: Export) -> None:
    def count(self: Any, x: torch.Tensor) -> torch.Tensor:
        self.norm.num_batches_tracked += 1
        return self.linear(x)

    with pytest.raises(RandomnessError, match=r"inference changes norm.num_batches_tracked"):
        export(count)


def test_what_the_first_call_leaves_for_later_ones_is_refused_by_name(export: Export) -> None:
    def cache(self: Any, x: torch.Tensor) -> torch.Tensor:
        if not hasattr(self, "centre"):
            self.centre = float(x.mean())
        return self.linear(x) - self.centre

    with pytest.raises(RandomnessError, match="keeps centre from call to call, and later answers depend on it"):
        export(cache)


def test_what_is_kept_in_a_container_is_found_too(export: Export) -> None:
    def cache(self: Any, x: torch.Tensor) -> torch.Tensor:
        self.seen.setdefault("centre", float(x.mean()))
        return self.linear(x) - self.seen["centre"]

    model = Wrapped(cache)
    model.seen = {}
    with pytest.raises(RandomnessError, match="keeps seen from call to call"):
        export(model)
    assert model.seen == {}


def test_a_cache_that_changes_no_answer_is_let_be_and_left_as_it_was(
    export: Export, table: NDArray[np.float32]
) -> None:
    """It is filled in the precision of the day: what float64 leaves behind must not reach float32."""

    def cache(self: Any, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] not in self.grids:
            self.grids[x.shape[1]] = torch.linspace(0, 1, 8)
            self.last = x
        return self.linear(x) + self.grids[x.shape[1]]

    model = Wrapped(cache)
    model.grids = {}
    network = export(model)
    assert model.grids == {}
    assert not hasattr(model, "last")
    assert run(network, table[:3])["output_0"].dtype == np.float32
    assert network.compute((table[:3],))["output_0"].dtype == np.float32


def test_every_output_comes_out_under_its_place(export: Export, table: NDArray[np.float32]) -> None:
    network = export(lambda self, x: (self.linear(x), x.sum(1), self.linear(x).argmax(1)))
    outputs = run(network, table[:5])
    assert list(outputs) == ["output_0", "output_1", "output_2"]
    assert np.array_equal(outputs["output_2"], outputs["output_0"].argmax(1))


def test_an_output_that_is_none_keeps_its_place_and_is_named(export: Export, table: NDArray[np.float32]) -> None:
    network = export(lambda self, x: (self.linear(x), None, x * 2))
    assert list(run(network, table[:3])) == ["output_0", "output_2"]
    assert "output_1 is None at inference: it is no output of the bundle" in network.notes


def test_outputs_of_a_dict_bear_its_keys(export: Export, table: NDArray[np.float32]) -> None:
    network = export(lambda self, x: {"logits": self.linear(x), "relu": torch.relu(x), "at": {"mean": x.mean(1)}})
    assert list(run(network, table[:3])) == ["logits", "relu", "at.mean"]


def test_an_output_that_is_the_input_does_not_rename_it(export: Export, table: NDArray[np.float32]) -> None:
    network = export(lambda self, x: (x, self.linear(x), x))
    assert [entry.name for entry in network.description.inputs] == ["input_0"]
    outputs = run(network, table[:3])
    assert np.array_equal(outputs["output_0"], table[:3])
    assert np.array_equal(outputs["output_2"], table[:3])


def test_one_tensor_given_twice_is_two_outputs(export: Export, table: NDArray[np.float32]) -> None:
    def twice(self: Any, x: torch.Tensor) -> Any:
        y = self.linear(x)
        return y, y

    outputs = run(export(twice), table[:3])
    assert np.array_equal(outputs["output_0"], outputs["output_1"])


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(lambda self, x: self.linear(x).sum(0), r"shape \(8,\) for 64 rows", id="summed over the batch"),
        pytest.param(lambda self, x: torch.zeros(4, 2), r"shape \(4, 2\) for 64 rows", id="constant"),
        pytest.param(lambda self, x: self.linear(x)[:3], r"shape \(3, 8\) for 64 rows", id="first rows only"),
        pytest.param(lambda self, x: (self.linear(x), 3.0), "'output_1' is a float", id="a number"),
        pytest.param(lambda self, x: None, "no tensor", id="nothing"),
        pytest.param(lambda self, x: {1: x}, "keys 1", id="keys that are numbers"),
        pytest.param(lambda self, x: torch.fft.fft(x), "complex64", id="complex numbers"),
        pytest.param(lambda self, x: {"input_0": x + 1}, "name of an input", id="the name of an input"),
        pytest.param(lambda self, x: {"object_id": x + 1}, "every table of predictions has: .*outputs", id="the ids"),
        pytest.param(lambda self, x: {"y": x + 1, "error": x * 2}, "'error' has the name of a column", id="the errors"),
        pytest.param(lambda self, x: {"a.b": x, "a": {"b": x}}, "two outputs are named 'a.b'", id="one name twice"),
    ],
)
def test_an_answer_that_no_graph_can_give_is_refused(export: Export, answer: Any, says: str) -> None:
    with pytest.raises(OutputFormError, match=says):
        export(answer)


def test_rows_that_touch_one_another_are_refused(export: Export) -> None:
    with pytest.raises(CoupledRowsError, match=r'Rows depend on one another.*batch = "joint"'):
        export(lambda self, x: self.linear(x) - self.linear(x).mean(0))


def test_a_declared_joint_batch_is_exported_whole(export: Export) -> None:
    network = export(lambda self, x: self.linear(x) - self.linear(x).mean(0), batch="joint")
    assert network.batch == "joint"
    assert network.batch_proof["measured"] == "joint"


def test_an_operator_without_onnx_form_is_named_with_its_line_and_a_cure(export: Export) -> None:
    with pytest.raises(OperatorError) as caught:
        export(lambda self, x: torch.linalg.svd(self.linear(x)[:, :, None])[1])
    assert caught.value.operator == "aten._linalg_svd"
    assert "test_silent_failures.py" in str(caught.value.line)
    assert "to_tensor" in str(caught.value)


def test_a_mixture_whose_capacity_is_the_samples_is_refused(export: Export) -> None:
    def mixture(self: Any, x: torch.Tensor) -> torch.Tensor:
        weights = self.gate(x).softmax(1)
        capacity = max(1, int(x.shape[0] * 0.5))
        out = torch.zeros_like(x)
        for place, expert in enumerate(self.experts):
            weight, rows = weights[:, place].topk(capacity)
            out = out.index_add(0, rows, weight[:, None] * expert(x[rows]))
        return out

    with pytest.raises(ParityError, match="took for granted"):
        export(mixture, batch="joint")


def test_a_mixture_that_skips_experts_without_rows_is_refused_with_its_line(export: Export) -> None:
    def mixture(self: Any, x: torch.Tensor) -> torch.Tensor:
        chosen = self.gate(x).argmax(1)
        out = torch.zeros_like(x)
        for place, expert in enumerate(self.experts):
            if (chosen == place).any():
                out[chosen == place] = expert(x[chosen == place])
        return out

    with pytest.raises(BranchError, match=r"if \(chosen == place\).any\(\)"):
        export(mixture)


def test_a_mixture_that_is_right_on_the_sample_only_is_refused(export: Export) -> None:
    """The experts in use are read out of the sample while tracing, behind torch's back."""

    def mixture(self: Any, x: torch.Tensor) -> torch.Tensor:
        used = range(2) if torch.compiler.is_compiling() else range(4)
        chosen = self.gate(x).argmax(1)
        return sum(torch.where((chosen == place)[:, None], self.experts[place](x), 0.0) for place in used)

    with pytest.raises(ParityError, match="takes a different way for some rows"):
        export(mixture)


def test_a_mixture_over_all_experts_is_exported(export: Export) -> None:
    def mixture(self: Any, x: torch.Tensor) -> torch.Tensor:
        chosen = self.gate(x).argmax(1)
        return sum(torch.where((chosen == at)[:, None], expert(x), 0.0) for at, expert in enumerate(self.experts))

    export(mixture)


def two_slots(table: NDArray[np.float32], label: Any) -> Callable[[Sequence[int]], Any]:
    return lambda indices: (table[list(indices)], label(len(indices)))


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        pytest.param(lambda n: None, "none", id="None"),
        pytest.param(lambda n: np.zeros(0), "empty", id="an empty array"),
        pytest.param(lambda n: np.zeros((0, 3), np.int64), "empty", id="an empty table"),
    ],
)
def test_a_label_that_is_absent_at_inference_is_no_input_of_the_graph(
    export: Export, table: NDArray[np.float32], label: Any, kind: str
) -> None:
    def unpack(self: Any, batch: Any) -> torch.Tensor:
        x, absent = batch
        assert absent is None or len(absent) == 0
        return self.linear(x)

    network = export(unpack, two_slots(table, label), returns="tuple")
    assert [slot.kind for slot in network.slots] == ["tensor", kind]
    assert [entry.name for entry in network.description.inputs] == ["input_0"]


@pytest.mark.parametrize("fill", [0, -1])
def test_zeros_standing_for_a_label_are_no_input_of_the_graph(
    export: Export, table: NDArray[np.float32], fill: int
) -> None:
    network = export(
        lambda self, batch: self.linear(batch[0]), two_slots(table, lambda n: np.full(n, fill)), returns="tuple"
    )
    assert [entry.name for entry in network.description.inputs] == ["input_0"]
    assert network.slots[1].kind == "tensor"
    assert network.slots[1].graph_input is None
    assert "slot 1 of to_tensor changes no output: it is no input of the graph" in network.notes


def test_a_slot_that_is_zero_in_all_rows_but_counts_stays_an_input(export: Export, table: NDArray[np.float32]) -> None:
    network = export(
        lambda self, batch: self.linear(batch[0]) + batch[1][:, None],
        two_slots(table, lambda n: np.zeros(n, np.float32)),
        returns="tuple",
    )
    assert [entry.name for entry in network.description.inputs] == ["input_0", "input_1"]
    outputs = run(network, table[:3], np.array([0, 5, 0], np.float32))["output_0"]
    assert np.allclose(outputs[1] - run(network, table[:3], np.zeros(3, np.float32))["output_0"][1], 5, atol=1e-5)


def test_a_slot_in_the_middle_keeps_the_places_of_the_others(export: Export, table: NDArray[np.float32]) -> None:
    def make(indices: Sequence[int]) -> Any:
        rows = table[list(indices)]
        return rows, None, rows[:, :2]

    network = export(lambda self, b: self.linear(b[0]).sum(1) + b[2].sum(1), make, returns="tuple")
    assert [entry.name for entry in network.description.inputs] == ["input_0", "input_2"]


def meta_slot(table: NDArray[np.float32]) -> Callable[[Sequence[int]], Any]:
    """The table, and beside it two numbers of every row that nothing in the table follows from."""
    beside = np.random.default_rng(5).normal(size=(len(table), 2)).astype(np.float32) + 5
    return lambda indices: (table[list(indices)], beside[list(indices)])


IDLE_ON_MOST_ROWS: dict[str, Callable[[Any, Any], Any]] = {
    "a filling for holes": lambda self, b: self.linear(torch.where(b[0].isnan(), b[1][:, :1], b[0])),
    "equality of two slots": lambda self, b: {"same": b[0][:, 0] == b[1][:, 0]},
    "a small part of a decision": lambda self, b: {"class": (100 * self.linear(b[0]) + 1e-4 * b[1][:, :1]).argmax(1)},
    "an alert that is rare": lambda self, b: {"alert": (self.linear(b[0]) + b[1][:, :1]).sum(1) > 1e3},
}


@pytest.mark.parametrize("answer", IDLE_ON_MOST_ROWS.values(), ids=IDLE_ON_MOST_ROWS.keys())
def test_a_slot_that_other_rows_would_need_stays_an_input_and_the_export_says_so(
    export: Export, table: NDArray[np.float32], answer: Callable[[Any, Any], Any]
) -> None:
    network = export(answer, meta_slot(table), returns="tuple")
    assert [entry.name for entry in network.description.inputs] == ["input_0", "input_1"]
    assert any("slot 1 of to_tensor changed no output on the rows tried" in note for note in network.notes)


def test_the_filling_of_a_hole_is_in_the_graph(export: Export, table: NDArray[np.float32]) -> None:
    network = export(IDLE_ON_MOST_ROWS["a filling for holes"], meta_slot(table), returns="tuple")
    x, beside = table[:3].copy(), np.float32([[7, 0], [8, 0], [9, 0]])
    x[1, 2] = np.nan
    wanted = network.compute((x, beside))["output_0"]
    np.testing.assert_allclose(run(network, x, beside)["output_0"], wanted, rtol=1e-5, atol=1e-5)
    assert np.isfinite(wanted).all()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda self, x: self.linear(torch.where(x.max() > 50, x / 255, x)), id="a threshold"),
        pytest.param(lambda self, x: self.linear(x) * torch.isfinite(x).all(), id="one bad value empties all"),
    ],
)
def test_a_rule_over_the_batch_that_ordinary_rows_never_wake_is_refused(export: Export, answer: Any) -> None:
    with pytest.raises(CoupledRowsError, match=r"multiplied by .*the rows beside it"):
        export(answer)


def test_a_rule_that_only_the_greatest_whole_number_wakes_is_refused(
    export: Export, table: NDArray[np.float32]
) -> None:
    pixels = np.clip(np.abs(table) * 40, 0, 200).astype(np.uint8)
    with pytest.raises(CoupledRowsError, match=r"one row is made of the greatest value, the rows beside it"):
        export(lambda self, x: self.linear(x.float()) * torch.where((x == 255).any(), 0.5, 1.0), pixels)


def test_a_rule_that_every_batch_of_the_data_wakes_shows_in_a_dark_row(export: Export) -> None:
    with pytest.raises(CoupledRowsError, match=r"it answers alone and among others differently"):
        export(lambda self, x: self.linear(torch.where((x > 0.3).any(), x / 255, x)))


def test_a_bin_that_rounding_moves_in_a_row_made_extreme_is_no_rule_over_the_batch(export: Export) -> None:
    export(lambda self, x: (self.linear(x) * 1000).floor().long())
