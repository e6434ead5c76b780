"""Rows of equal values have no spread to divide by: the refusal says so, and its cure cures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from hyrax_pack.errors import CoupledRowsError, ParityError
from hyrax_pack.exporting import Network
from hyrax_pack.exporting.constant_rows import CAUSE

Export = Callable[..., Network]
Scale = Callable[[torch.Tensor], torch.Tensor]

CONSTANT = [8, 20, 64, 77]  # two of them are tried alone as well


class Normalising(nn.Module):
    """Images (N, 6, 6), each brought to a mean of 0 and divided by a scale of its own."""

    def __init__(self, scale: Scale, *, cured: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(36, 4)
        self.scale, self.cured = scale, cured

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x, std = image - image.mean((1, 2), keepdim=True), self.scale(image)
        if self.cured:
            level = image.abs().amax((1, 2), keepdim=True)
            return self.layer(torch.where(std > 1e-3 * level, x / std, 0).flatten(1))
        return self.layer((x / std).flatten(1))


def deviation(image: torch.Tensor) -> torch.Tensor:
    return image.std((1, 2), keepdim=True)


SCALES: dict[str, tuple[Scale, float]] = {
    "a standard deviation": (deviation, 0.1),
    "one of a level": (deviation, 3.7),
    "and a small number": (lambda image: deviation(image) + 1e-8, 3.7),
    "a range": (lambda image: image.amax((1, 2), keepdim=True) - image.mean((1, 2), keepdim=True), 0.1),
}


def with_constant_rows(images: NDArray[np.float32], value: float) -> NDArray[np.float32]:
    images = images.copy()
    images[CONSTANT] = np.float32(value)
    return images


@pytest.mark.parametrize(("scale", "value"), SCALES.values(), ids=SCALES.keys())
def test_what_is_divided_by_the_spread_of_a_constant_row_is_refused_with_its_cause(
    export: Export, images: NDArray[np.float32], scale: Scale, value: float
) -> None:
    with pytest.raises((CoupledRowsError, ParityError)) as caught:
        export(Normalising(scale), with_constant_rows(images, value))
    assert CAUSE in str(caught.value)
    assert "size of the batch" not in str(caught.value)


@pytest.mark.parametrize(("scale", "value"), SCALES.values(), ids=SCALES.keys())
def test_the_cure_that_is_given_cures(export: Export, images: NDArray[np.float32], scale: Scale, value: float) -> None:
    assert export(Normalising(scale, cured=True), with_constant_rows(images, value)).parity["reason"] is None


def test_rows_that_touch_one_another_are_not_taken_for_that(export: Export, images: NDArray[np.float32]) -> None:
    def answer(self: Any, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) - x.flatten(1).mean(0)

    with pytest.raises(CoupledRowsError, match="Rows depend on one another"):
        export(answer, with_constant_rows(images, 0.1))
