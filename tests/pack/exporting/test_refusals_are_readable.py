"""A refusal fits one screen, names its cause first, and holds nobody else's colours or folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from hyrax_pack.errors import ExportError, OperatorError, ParityError
from hyrax_pack.exporting import Network

Export = Callable[..., Network]


def looped(self: Any, x: torch.Tensor) -> torch.Tensor:
    return torch.stack([self.linear(x[row]) for row in range(len(x))])


def branched(self: Any, x: torch.Tensor) -> torch.Tensor:
    return self.linear(x) if (x < 100).all() else x


def counted(self: Any, x: torch.Tensor) -> torch.Tensor:
    parts = torch.bincount(self.linear(x).argmax(1), minlength=8).tolist()
    return torch.cat(torch.split(x, parts))


def misspelt(self: Any, x: torch.Tensor) -> torch.Tensor:
    return self.liner(x)


REFUSED = {
    "an operator without ONNX form": lambda self, x: self.linear(x).median(1)[0],
    "an inverse": lambda self, x: torch.linalg.inv(torch.eye(8) + self.linear(x)[:, None] * 0.01),
    "a loop over rows": looped,
    "a branch on values": branched,
    "a split by counts": counted,
    "an attribute that is not there": misspelt,
    "random numbers": lambda self, x: x + torch.rand(8),
    "rows that touch": lambda self, x: self.linear(x).softmax(0),
    "a lost batch axis": lambda self, x: self.linear(x).sum(),
}


@pytest.mark.parametrize("answer", REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_fits_one_screen(export: Export, answer: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ExportError) as caught:
        export(answer)
    said = str(caught.value)
    assert len(said.splitlines()) <= 8
    assert len(said) < 900
    assert "\x1b" not in said
    assert str(Path(__file__).parent) not in said
    assert "site-packages" not in said
    assert "report=True" not in said
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["a loop over rows", "a branch on values", "a split by counts"])
def test_a_refusal_names_the_line_of_the_model(export: Export, name: str) -> None:
    with pytest.raises(ExportError, match=r"test_refusals_are_readable.py:\d+"):
        export(REFUSED[name])


@pytest.mark.parametrize(
    ("name", "operator"), [("an operator without ONNX form", "aten.median"), ("an inverse", "aten.linalg_inv_ex")]
)
def test_a_refusal_names_the_operator(export: Export, name: str, operator: str) -> None:
    with pytest.raises(ExportError, match=operator):
        export(REFUSED[name])


def in_half_precision(self: Any, x: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return self.linear(x).float()


def test_half_precision_inside_the_models_code_is_told_from_weights_in_half_precision(export: Export) -> None:
    with pytest.raises(ExportError, match=r"the model's code computes in another precision: leave torch\.autocast"):
        export(in_half_precision)


TAKEN_APART: dict[str, tuple[Any, str]] = {
    "hypot": (lambda self, x: torch.hypot(self.linear(x), x), "aten.hypot"),
    "fmax": (lambda self, x: torch.fmax(self.linear(x), x), "aten.fmax"),
    "cumprod": (lambda self, x: self.linear(x).cumprod(1), "aten.cumprod"),
    "lgamma": (lambda self, x: torch.lgamma(x.abs() + 1), "aten.lgamma"),
    "i0": (lambda self, x: torch.special.i0(x), "aten.i0"),
}


@pytest.mark.parametrize(("answer", "operator"), TAKEN_APART.values(), ids=TAKEN_APART.keys())
def test_an_operator_that_torch_takes_apart_is_named_as_it_was_written(
    export: Export, answer: Any, operator: str
) -> None:
    with pytest.raises(OperatorError, match=rf"{operator} has no ONNX form \(test_refusals_are_readable.py:\d+"):
        export(answer)


def test_a_gradient_inside_the_model_is_named_with_its_line(export: Export) -> None:
    def slope(self: Any, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.linear(x).tanh().sum(), x)[0]

    with pytest.raises(OperatorError, match=r"takes a gradient while it answers \(test_refusals_are_readable.py:\d+"):
        export(slope)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(
            lambda self, x: functional.group_norm(x + 3e4, 2)[:, :4],
            r"The graph holds (Instance|Group)Normalization: onnxruntime loses digits where a group has few values",
            id="a norm of values on a high level",
        ),
        pytest.param(
            lambda self, x: (self.linear(x) * 1e6).round().long(),
            r"It may be rounding that decides, in floor\(\), round\(\) or a tie",
            id="whole numbers on an edge",
        ),
    ],
)
def test_where_onnxruntime_is_less_exact_the_refusal_names_the_cause(
    export: Callable[..., Any], answer: Callable[..., Any], says: str
) -> None:
    with pytest.raises(ParityError, match=says):
        export(answer)
