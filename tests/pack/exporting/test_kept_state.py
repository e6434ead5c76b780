"""What the first batch leaves behind makes every later answer depend on it: refused by name, wherever it is kept."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from hyrax_pack.errors import RandomnessError
from hyrax_pack.exporting import Network
from hyrax_pack.exporting.lasting import attributes_restored
from tests.pack.exporting.conftest import Wrapped

Export = Callable[..., Network]

SEEN: dict[str, Any] = {}
GREATEST = 0.0


class Scaler:
    """A class of its own that keeps what it fitted."""

    __slots__ = ("centre",)

    def __init__(self) -> None:
        self.centre: Any = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self.centre is None:
            self.centre = x.mean(0)
        return x - self.centre


class OfTheClass(nn.Module):
    centre: Any = None

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if OfTheClass.centre is None:
            OfTheClass.centre = x.mean(0)
        return self.linear(x - OfTheClass.centre)


def in_an_object(self: Any, x: torch.Tensor) -> torch.Tensor:
    if self.kept.centre is None:
        self.kept.centre = float(x.mean())
    return self.linear(x) - self.kept.centre


def in_a_nested_dict(self: Any, x: torch.Tensor) -> torch.Tensor:
    norm = self.kept["norm"]
    if norm["centre"] is None:
        norm["centre"] = x.mean(0)
    return self.linear(x - norm["centre"])


def in_a_global(self: Any, x: torch.Tensor) -> torch.Tensor:
    if "centre" not in SEEN:
        SEEN["centre"] = x.mean(0)
    return self.linear(x - SEEN["centre"])


def in_a_global_name(self: Any, x: torch.Tensor) -> torch.Tensor:
    """Rows of the pool never exceed the pool's greatest value: it takes far rows to show."""
    global GREATEST
    GREATEST = max(GREATEST, float(x.max()))
    return self.linear(x) / GREATEST


def in_an_array(self: Any, x: torch.Tensor) -> torch.Tensor:
    if not self.kept[1]:
        self.kept[0][:] = x.mean(0).numpy()
        self.kept[1] = True
    return self.linear(x - torch.from_numpy(self.kept[0]))


def in_a_default(self: Any, x: torch.Tensor, seen: list[Any] = []) -> torch.Tensor:  # noqa: B006
    if not seen:
        seen.append(x.mean(0))
    return self.linear(x - seen[0])


def in_the_function(self: Any, x: torch.Tensor) -> torch.Tensor:
    centre = vars(in_the_function).setdefault("centre", x.mean(0))
    return self.linear(x - centre)


def by_its_own_class(self: Any, x: torch.Tensor) -> torch.Tensor:
    return self.linear(self.kept(x))


PLACES: dict[str, tuple[Callable[..., Any], Callable[[], Any], str]] = {
    "an object": (in_an_object, lambda: SimpleNamespace(centre=None), "kept.centre"),
    "a nested dict": (in_a_nested_dict, lambda: {"norm": {"centre": None}}, "kept"),
    "a global dict": (in_a_global, lambda: None, "SEEN"),
    "a global": (in_a_global_name, lambda: None, "GREATEST"),
    "an array": (in_an_array, lambda: [np.zeros(8, np.float32), False], "kept"),
    "a default": (in_a_default, lambda: None, "a default of in_a_default"),
    "the function": (in_the_function, lambda: None, "in_the_function.centre"),
    "slots": (by_its_own_class, Scaler, "kept.centre"),
}


@pytest.mark.parametrize(("answer", "kept", "path"), PLACES.values(), ids=PLACES.keys())
def test_statistics_of_the_first_batch_are_refused_by_name(
    export: Export, answer: Callable[..., Any], kept: Callable[[], Any], path: str
) -> None:
    model = Wrapped(answer)
    model.kept = kept()
    with pytest.raises(RandomnessError, match=f"inference keeps .*{path}.* from call to call"):
        export(model)
    assert not SEEN
    assert GREATEST == 0.0


def test_what_a_closure_keeps_is_refused_by_name(export: Export) -> None:
    centre = None

    def answer(self: Any, x: torch.Tensor) -> torch.Tensor:
        nonlocal centre
        if centre is None:
            centre = x.mean(0)
        return self.linear(x - centre)

    with pytest.raises(RandomnessError, match=r"inference keeps .*centre.* from call to call"):
        export(answer)
    assert centre is None


def test_what_the_class_keeps_is_refused_by_name(export: Export) -> None:
    with pytest.raises(RandomnessError, match=r"inference keeps OfTheClass\.centre from call to call"):
        export(OfTheClass())
    assert OfTheClass.centre is None


@functools.lru_cache
def grid(steps: int) -> torch.Tensor:
    return torch.linspace(0, 1, steps)


GRIDS: dict[int, torch.Tensor] = {}


def a_grid_of_functools(self: Any, x: torch.Tensor) -> torch.Tensor:
    return self.linear(x) + grid(x.shape[1])


def a_grid_in_a_global(self: Any, x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] not in GRIDS:
        GRIDS[x.shape[1]] = torch.linspace(0, 1, x.shape[1])
    return self.linear(x) + GRIDS[x.shape[1]]


def a_count_of_calls(self: Any, x: torch.Tensor) -> torch.Tensor:
    self.log.calls += 1
    self.log.shapes.append(tuple(x.shape))
    return self.linear(x)


@pytest.mark.parametrize("answer", [a_grid_of_functools, a_grid_in_a_global, a_count_of_calls])
def test_what_is_kept_and_changes_no_answer_is_let_be_and_left_as_it_was(
    export: Export, table: NDArray[np.float32], answer: Callable[..., Any]
) -> None:
    """What float64 or a trace leaves in a cache must not reach a later answer."""
    model = Wrapped(answer)
    model.log = SimpleNamespace(calls=0, shapes=[])
    network = export(model)
    assert network.compute((table[:3],))["output_0"].dtype == np.float32
    assert (model.log.calls, model.log.shapes, GRIDS) == (0, [], {})


def test_what_was_there_before_is_put_back_in_place() -> None:
    model = Wrapped(in_an_object)
    inner, array = {"a": 1}, np.zeros(3)
    model.kept = SimpleNamespace(inner=inner, array=array, tensor=torch.zeros(2), names=["x"])
    tensor, names = model.kept.tensor, model.kept.names
    with attributes_restored(model) as changed:
        assert changed() == []
        inner["b"] = 2
        array += 1
        tensor.add_(1)
        names.append("y")
        model.kept.new = 1
        model.kept.names = ()
        assert set(changed()) == {"kept.new", "kept.names", "kept.inner", "kept.array", "kept.tensor"}
    assert model.kept.inner is inner
    assert model.kept.names is names
    assert (inner, names, array.tolist(), tensor.tolist()) == ({"a": 1}, ["x"], [0, 0, 0], [0, 0])
    assert not hasattr(model.kept, "new")


class Settings(dict):
    """As settings often are: every attribute has an answer."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name, Settings())


def test_settings_that_answer_for_every_attribute_are_let_be(export: Export) -> None:
    model = Wrapped(lambda self, x: self.linear(x) * self.settings.scale["by"])
    model.settings = Settings(scale=Settings(by=2.0))
    export(model)
    assert model.settings == {"scale": {"by": 2.0}}
