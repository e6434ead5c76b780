"""NaN and infinities in the data: NaN equals only NaN, in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hyrax_pack.errors import NotFiniteError, ParityError
from hyrax_pack.exporting import Network, Trial, export_network

Export = Callable[..., Network]


@pytest.fixture(scope="module")
def holes(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """The table with a NaN in one row and an infinity in another, both held out."""
    rows = table.copy()
    rows[70, 3] = np.nan
    rows[90, 2] = np.inf
    return rows


def test_rows_with_nan_are_among_those_tried(export: Export, holes: NDArray[np.float32]) -> None:
    network = export(lambda self, x: self.linear(x), holes)
    assert "rows with NaN or infinities planted" in network.parity["batches"]
    assert np.isfinite(network.outputs[0].tolerance).all()


def test_nothing_is_planted_where_the_data_holds_none(export: Export) -> None:
    assert "rows with NaN or infinities planted" not in export(lambda self, x: self.linear(x)).parity["batches"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda self, x: torch.max_pool1d(x[:, None], 2), id="MaxPool drops a NaN"),
        pytest.param(lambda self, x: x.amax(1), id="ReduceMax drops a NaN"),
        pytest.param(lambda self, x: x.argmax(1), id="ArgMax passes a NaN by"),
    ],
)
def test_an_operator_that_treats_nan_otherwise_is_refused_with_the_cure(
    export: Export, holes: NDArray[np.float32], answer: Callable[..., Any]
) -> None:
    with pytest.raises(ParityError, match=r"Only rows with NaN or infinities differ.*np.nan_to_num"):
        export(answer, holes)
    export(answer)


def test_a_model_that_fills_the_holes_itself_is_exported(export: Export, holes: NDArray[np.float32]) -> None:
    export(lambda self, x: self.linear(torch.where(torch.isfinite(x), x, 0.0)), holes)


def test_the_greatest_float_has_a_tolerance_too(export: Export, holes: NDArray[np.float32]) -> None:
    network = export(lambda self, x: torch.nan_to_num(x), holes)
    assert network.parity["outputs"]["output_0"]["unstable_rows"] == [90]  # in float64 it is another number
    assert any("rounding decides the answer of 1 of 64 rows tried (rows 90 of the data)" in n for n in network.notes)


class Plain(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)
        self.register_buffer("mask", torch.tensor([0.0, float("-inf")]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)


def export_plain(model: torch.nn.Module, rows: NDArray[np.float32]) -> Network:
    return export_network(
        model, "forward", lambda at: (rows[list(at)],), returns="array", sample=range(8), held_out=range(8, len(rows))
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(bad: float) -> None:
    model = Plain()
    with torch.no_grad():
        model.linear.weight[1, 2] = bad
    with pytest.raises(NotFiniteError, match=r"'linear\.weight'.*diverged"):
        export_plain(model, np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32))


def test_a_mask_of_infinities_is_no_divergence() -> None:
    export_plain(Plain(), np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32))


def test_an_output_without_a_number_proves_nothing() -> None:
    with pytest.raises(NotFiniteError, match="nothing can be proven"):
        export_plain(Plain(), np.full((40, 3), np.nan, dtype=np.float32))


def test_rows_with_nan_from_beyond_the_pool_are_held_against_the_model_too(
    export: Export, table: NDArray[np.float32]
) -> None:
    def pooled(self: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.max_pool1d(x[:, None], 2).flatten(1)

    export(pooled)
    rows = table[:3].copy()
    rows[1, 2] = np.nan
    with pytest.raises(ParityError, match=r"3 odd rows: row 1 .*nan in torch"):
        export(pooled, more_trials=[Trial("3 odd rows", (rows,))])
