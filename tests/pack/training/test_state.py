"""What training changes goes into a checkpoint and comes back the same, by plain values only."""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hyrax_pack.training.state import Memento, ModelState
from hyrax_pack.training.state.decoding import decode
from hyrax_pack.training.state.encoding import Own, Unsaved, encode

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
    one, two = ModelState(net), ModelState(other)
    for _ in range(3):
        net.learn()
    state, unsaved = one.capture()
    assert unsaved == []
    torch.save(state, tmp_path / "state.pt")
    assert two.restore(torch.load(tmp_path / "state.pt", weights_only=True)) == []
    for each in (net, other):
        each.learn()
    assert encode(other.optimizer.state_dict()) is not None
    assert str(one.capture()) == str(two.capture())


class Opaque:
    def state_dict(self) -> dict[str, Any]:
        return {"handle": threading.Lock()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        raise AssertionError


def test_what_has_a_state_that_cannot_be_saved_is_named() -> None:
    net = Net()
    net.logger = Opaque()
    state, unsaved = ModelState(net).capture()
    assert unsaved == ["logger (holds _thread.lock)"]
    assert "logger" not in state["attributes"]


def test_a_tensor_that_others_hold_too_stays_the_same_tensor_and_goes_on_learning() -> None:
    learned = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([learned], lr=0.1)
    encoded = torch.ones(2, requires_grad=True)
    assert decode(encode(encoded), learned) is learned
    assert learned.requires_grad and learned.tolist() == [1.0, 1.0]
    assert optimizer.param_groups[0]["params"][0] is learned


def test_what_is_held_twice_comes_back_as_one_thing_and_what_is_not_stays_apart() -> None:
    shared: list[int] = [1]
    found = decode(encode([shared, shared, [1]]), [[]] * 3)
    assert found[0] is found[1] and found[0] is not found[2]
    endless: list[Any] = []
    endless.append(endless)
    found = decode(encode(endless), None)
    assert found[0] is found


def test_parameters_and_layers_in_a_list_are_the_models_own() -> None:
    net = Net()
    own = Own.of(net)
    encoded = encode([net.layer.weight, {"layer": net.layer}], own)
    assert decode(encoded, None, own)[0] is net.layer.weight
    assert decode(encoded, None, own)[1]["layer"] is net.layer


def test_what_was_made_after_the_model_and_cannot_be_put_back_is_named() -> None:
    net = Net()
    before = ModelState(net)
    net.later = torch.optim.SGD(net.layer.parameters(), lr=0.1)
    state, unsaved = before.capture()
    assert unsaved == []
    other = Net()
    words = "later: something with a state_dict that was made after __init__; make it there"
    assert ModelState(other).restore(state) == [words]


def test_a_memento_puts_everything_back_into_the_things_themselves() -> None:
    net = Net()
    net.history, net.cell = [1, [2]], {"seen": np.zeros(2), "hidden": torch.zeros(2)}
    inner, seen, hidden = net.history[1], net.cell["seen"], net.cell["hidden"]
    before = Memento(net)
    weight = net.layer.weight.tolist()
    inner.append(3)
    seen += 1
    hidden += 1
    net.history, net.cell["hidden"], net.extra = [], torch.ones(5), "more"
    net.learn()
    before.put_back()
    assert net.history == [1, [2]] and net.history[1] is inner
    assert net.cell["seen"] is seen and seen.tolist() == [0, 0]
    assert net.cell["hidden"] is hidden and hidden.tolist() == [0, 0]
    assert not hasattr(net, "extra") and net.layer.weight.tolist() == weight


def test_a_memento_names_what_it_cannot_put_back() -> None:
    net = Net()
    net.rows, net.log = iter([1, 2]), logging.getLogger("net")
    assert Memento(net).beyond == ["rows (builtins.list_iterator)"]


def test_a_list_that_others_hold_too_stays_the_same_list() -> None:
    history = [1, 2]
    assert decode(encode([3]), history) is history
    assert history == [3]


def test_a_value_nested_without_end_is_refused() -> None:
    endless: list[Any] = []
    for _ in range(100):
        endless = [endless]
    with pytest.raises(Unsaved, match="nested too deeply"):
        encode(endless)
