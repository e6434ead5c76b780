"""What a step may return."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from hyrax_pack.errors import TrainingError
from hyrax_pack.training.losses import Mean, means, parse_result


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ([1.0, 2.0, 3.0], 2.0),
        ([1, 2], 1.5),
        ([torch.tensor(1.0), torch.tensor(4.0)], 2.5),
        ([np.float32(0.5), np.float32(1.5)], 1.0),
        (torch.tensor([1.0, 2.0]), 1.5),
        (torch.tensor([[1.0, 2.0], [3.0, 6.0]]), 3.0),
        (torch.tensor(0.25, requires_grad=True), 0.25),
        (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        (np.array([1.0, 3.0], dtype=np.float32), 2.0),
        (np.float64(0.125), 0.125),
        (7, 7.0),
    ],
    ids=["list", "list of int", "list of tensors", "list of numpy", "per row", "per row and pixel", "scalar with graph",
         "bfloat16", "array", "numpy scalar", "int"],
)  # fmt: skip
def test_a_loss_is_a_list_a_tensor_or_a_number(loss: Any, expected: float) -> None:
    assert parse_result({"loss": loss}, "Net.train_step") == {"loss": expected}


def test_everything_numeric_is_kept_and_the_rest_left_out() -> None:
    returned = {
        "loss": 1.0,
        "accuracy": torch.tensor(0.5),
        "right": True,
        "parts": {"flux": 2.0, "shape": [1.0, 3.0]},
        "note": "warming up",
        "absent": None,
        "empty": [],
        "mixed": [1.0, "two"],
        "spectrum": torch.tensor([1 + 2j]),
    }
    numbers = parse_result(returned, "Net.train_step")
    assert numbers == {"loss": 1.0, "accuracy": 0.5, "right": 1.0, "parts/flux": 2.0, "parts/shape": 2.0}


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "Net.train_step returned NoneType; expected a dict of numbers"),
        (torch.tensor(1.0), "Net.train_step returned Tensor; expected a dict of numbers"),
        ({"Loss": 1.0}, "the dict that Net.train_step returned: has no 'loss' among its keys (Loss)"),
        ({}, "the dict that Net.train_step returned: has no 'loss' among its keys (none)"),
        (
            {"loss": []},
            "the dict that Net.train_step returned: 'loss' is an empty list; "
            "expected a list of numbers, a tensor or a float",
        ),
        (
            {"loss": "low"},
            "the dict that Net.train_step returned: 'loss' is str; expected a list of numbers, a tensor or a float",
        ),
    ],
    ids=["nothing", "bare tensor", "capital", "empty dict", "empty list", "string"],
)
def test_what_is_no_loss_is_named(returned: Any, message: str) -> None:
    with pytest.raises(TrainingError) as refused:
        parse_result(returned, "Net.train_step")
    assert str(refused.value) == message


def test_a_nan_in_a_list_makes_the_loss_nan() -> None:
    assert math.isnan(parse_result({"loss": [1.0, math.nan]}, "Net.train_step")["loss"])
    assert parse_result({"loss": [1.0, math.inf]}, "Net.train_step")["loss"] == math.inf


def test_an_epochs_figure_is_weighted_by_rows() -> None:
    mean = Mean()
    mean.add({"loss": 1.0}, 3)
    mean.add({"loss": 5.0, "late": 2.0}, 1)
    assert means(mean.sums()) == {"loss": 2.0, "late": 2.0}


def test_the_sums_of_half_an_epoch_go_on_exactly() -> None:
    values = [0.1, 0.7, 1e-9, 3.3]
    whole, first, second = Mean(), Mean(), Mean()
    for value in values:
        whole.add({"loss": value}, 3)
    for value in values[:2]:
        first.add({"loss": value}, 3)
    second.restore([first.state()])
    for value in values[2:]:
        second.add({"loss": value}, 3)
    assert second.sums() == whole.sums()


def test_a_thousand_bfloat16_losses_do_not_drown_in_rounding() -> None:
    mean = Mean()
    for _ in range(1000):
        mean.add(parse_result({"loss": torch.tensor(1.0078125, dtype=torch.bfloat16)}, "Net.train_step"), 1)
    assert means(mean.sums()) == {"loss": 1.0078125}


def test_an_integer_that_no_float_can_hold_is_infinite() -> None:
    numbers = parse_result({"loss": 1.0, "evidence": 10**400, "list": [1, -(10**400)]}, "Net.train_step")
    assert numbers == {"loss": 1.0, "evidence": math.inf, "list": -math.inf}


def test_a_figure_that_would_stand_among_those_of_epochs_is_refused() -> None:
    with pytest.raises(TrainingError, match="'epoch/loss' would stand among the figures of whole epochs"):
        parse_result({"loss": 1.0, "epoch": {"loss": 2.0}}, "Net.train_step")
