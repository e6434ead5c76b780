"""What training changes goes into a checkpoint and comes back the same, by plain values only."""

from __future__ import annotations

import random
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hyrax_pack.training.state import Unsaved, capture_state, decode, encode, restore_state

VALUES: dict[str, Any] = {
    "number": 0.1,
    "whole": 2**100,
    "text": "Σ",
    "nothing": None,
    "nested": {"a": [1, (2.5, None), {"b": {3}}], 4: frozenset({5})},
    "recent": deque([1, 2], maxlen=2),
    "array": np.arange(6, dtype=">u2").reshape(2, 3),
    "scalar": np.float32(0.1),
    "names": np.array(["RR Lyrae", "Mira"]),
    "tensor": torch.arange(3, dtype=torch.bfloat16),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_plain_value_comes_back_the_same_from_a_file_that_executes_nothing(name: str, tmp_path: Path) -> None:
    value = VALUES[name]
    torch.save(encode(value), tmp_path / "value.pt")
    found = decode(torch.load(tmp_path / "value.pt", weights_only=True), None)
    assert type(found) is type(value)
    if isinstance(value, np.ndarray | torch.Tensor):
        assert found.dtype == value.dtype
        assert found.tolist() == value.tolist()
    else:
        assert found == value


def draw(generator: Any) -> float:
    if isinstance(generator, torch.Generator):
        return float(torch.rand((), generator=generator))
    return float(generator.random())


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.random.default_rng(1),
        lambda: np.random.Generator(np.random.Philox(1)),
        lambda: np.random.RandomState(1),
        lambda: random.Random(1),
        lambda: torch.Generator().manual_seed(1),
    ],
    ids=["PCG64", "Philox", "RandomState", "random.Random", "torch.Generator"],
)
def test_a_generator_goes_on_where_it_was(make: Any, tmp_path: Path) -> None:
    generator, other = make(), make()
    draw(generator)
    torch.save(encode(generator), tmp_path / "state.pt")
    expected = [draw(generator) for _ in range(3)]
    assert decode(torch.load(tmp_path / "state.pt", weights_only=True), other) is other
    assert [draw(other) for _ in range(3)] == expected


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.optimizer = torch.optim.Adam(self.parameters())
        self.scaler = torch.amp.GradScaler("cpu")
        self.schedules = {"warm": torch.optim.lr_scheduler.LinearLR(self.optimizer)}
        self.average = torch.optim.swa_utils.AveragedModel(self.layer)
        self.callback = print

    def learn(self) -> None:
        self.optimizer.zero_grad()
        self.scaler.scale(self.layer(torch.ones(1, 2)).sum()).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedules["warm"].step()
        self.average.update_parameters(self.layer)


def test_optimizers_scalers_schedules_and_averages_go_on_exactly(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, other = Net(), Net()
    for _ in range(3):
        net.learn()
    state, unsaved = capture_state(net)
    assert unsaved == ()
    torch.save(state, tmp_path / "state.pt")
    restore_state(other, torch.load(tmp_path / "state.pt", weights_only=True))
    for each in (net, other):
        each.learn()
    assert encode(other.optimizer.state_dict()) is not None
    assert str(capture_state(net)) == str(capture_state(other))


class Opaque:
    def state_dict(self) -> dict[str, Any]:
        return {"handle": object()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        raise AssertionError


def test_what_has_a_state_that_cannot_be_saved_is_named() -> None:
    net = Net()
    net.logger = Opaque()
    state, unsaved = capture_state(net)
    assert unsaved == ("logger (holds builtins.object)",)
    assert "logger" not in state["attributes"]
    assert "callback" not in state["attributes"]


def test_a_list_that_others_hold_too_stays_the_same_list() -> None:
    history = [1, 2]
    assert decode(encode([3]), history) is history
    assert history == [3]


def test_a_value_nested_without_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(Unsaved, match="nested too deeply"):
        encode(endless)
