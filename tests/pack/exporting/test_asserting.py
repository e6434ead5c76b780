"""Checks of values in the model's code: torch leaves them out of the graph, which answers where the model raises."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from types import ModuleType

import pytest

from hyrax_pack.errors import ExportError
from hyrax_pack.exporting import Network

Export = Callable[..., Network]

# In a file of its own: pytest rewrites the assertions of this one.
ANSWERS = """
import torch


def of_all_values(self, x):
    assert torch.isfinite(x).all(), "NaN in the light curve"
    return self.linear(x)


def of_a_range(self, x):
    assert (
        float(x.abs().max())
        < 100
    ), "flux is not normalised"
    return self.linear(x)


def is_normal(x):
    return bool((x.abs() < 100).all())


def by_a_function(self, x):
    assert is_normal(x)
    return self.linear(x)


def by_torch(self, x):
    torch._assert_async((x.abs() < 100).all())
    return self.linear(x)


def of_shapes(self, x):
    assert x.shape[1] == 8
    assert x.dtype == torch.float32
    assert x.shape[0] < 4000
    return self.linear(x)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    path = tmp_path_factory.mktemp("user") / "net.py"
    path.write_text(ANSWERS)
    spec = importlib.util.spec_from_file_location("net_with_assertions", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["of_all_values", "of_a_range", "by_a_function", "by_torch"])
def test_a_check_of_values_is_refused_with_its_line(export: Export, answers: ModuleType, name: str) -> None:
    says = r"raises for some values \(net.py:\d+: (assert|torch._assert).*\).*Move the check into to_tensor"
    with pytest.raises(ExportError, match=says):
        export(getattr(answers, name))


def test_a_check_of_shapes_is_let_be_and_one_of_the_batch_is_said(export: Export, answers: ModuleType) -> None:
    notes = export(answers.of_shapes).notes
    assert any("the model refuses a batch of 4000 rows: N < 4000 (net.py:" in note for note in notes)
