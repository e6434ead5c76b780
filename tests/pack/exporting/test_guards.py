"""A branch on a size that the rows never have: the graph has the sample's way, and is tried on the other one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from hyrax_pack.errors import ParityError
from hyrax_pack.exporting import Network
from hyrax_pack.exporting.guards import MOST_BYTES, Guard

Export = Callable[..., Network]


def a_large_batch(self: Any, x: torch.Tensor) -> torch.Tensor:
    y = self.linear(x)
    return y - 1 if x.shape[0] > 100 else y


def the_last_hundred_steps(self: Any, x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] > 100:
        x = x[:, -100:]
    return self.linear(x).sum(1)


def a_single_step(self: Any, x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] == 1:
        return self.linear(x[:, 0]) * 2
    return self.linear(x).sum(1)


def large_batches_in_portions(self: Any, x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] > 100:
        return torch.cat([self.linear(x[:100]), self.linear(x[100:])])
    return self.linear(x)


def test_a_branch_on_a_batch_larger_than_any_is_refused_with_its_line(export: Export) -> None:
    with pytest.raises(ParityError, match=r"batch of 101 rows(.|\n)*granted: N <= 100 \(test_guards.py:\d+"):
        export(a_large_batch, batch="joint")


@pytest.fixture(scope="module")
def long_curves() -> Callable[[Sequence[int]], Any]:
    """Rows of 5 to 29 steps."""
    rng = np.random.default_rng(2)
    rows = [rng.normal(size=(steps, 8)).astype(np.float32) for steps in rng.integers(5, 30, 120)]

    def make(indices: Sequence[int]) -> Any:
        padded = np.zeros((len(indices), max(len(rows[row]) for row in indices), 8), np.float32)
        for place, row in enumerate(indices):
            padded[place, : len(rows[row])] = rows[row]
        return (padded,)

    return make


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(the_last_hundred_steps, r"input_0.1 = 101(.|\n)*granted: input_0.1 <= 100", id="longer than any"),
        pytest.param(a_single_step, r"input_0.1 = 1(.|\n)*granted: Ne\(input_0.1, 1\)", id="shorter than any"),
    ],
)
def test_a_branch_on_a_length_that_no_row_has_is_refused_with_its_line(
    export: Export, long_curves: Any, answer: Callable[..., Any], says: str
) -> None:
    with pytest.raises(ParityError, match=says + r" \(test_guards.py:\d+"):
        export(answer, long_curves)


def test_a_branch_that_changes_no_answer_is_let_be(export: Export) -> None:
    network = export(large_batches_in_portions)
    assert "101 rows" in network.parity["batches"]


def test_a_branch_that_only_too_large_a_batch_would_take_is_named(export: Export) -> None:
    wide = np.random.default_rng(0).normal(size=(40, 8, MOST_BYTES // 8 // 4 // 1000)).astype(np.float32)

    def branch(self: Any, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, :2] - 1 if x.shape[0] > 2000 else x[:, :, :2]

    network = export(branch, wide, held_out=range(8, 40))
    assert any("takes another way where not N <= 2000 (test_guards.py:" in note for note in network.notes)


@pytest.mark.parametrize(
    ("text", "dims", "sizes"),
    [
        ("s1 <= 100", {"s1": "N"}, {"N": 101}),
        ("Eq(Mod(s1, 4), 0)", {"s1": "flux.1"}, {"flux.1": 1}),
        ("Ne(s1, 0)", {"s1": "N"}, None),
        ("Ne(s1*s2, 34)", {"s1": "N", "s2": "flux.1"}, {"N": 2, "flux.1": 17}),
        ("Eq(s1, s2)", {"s1": "N", "s2": "N"}, None),
        ("Unknown(s1) > 3", {"s1": "N"}, None),
    ],
)
def test_an_assumption_is_false_for_the_least_sizes_that_break_it(
    text: str, dims: dict[str, str], sizes: dict[str, int] | None
) -> None:
    assert Guard(text, "net.py:1", dims).sizes_that_break_it() == sizes


def test_an_assumption_names_the_dimensions_and_not_torchs_symbols() -> None:
    assert str(Guard("s1 + s10 <= 7", "net.py:3", {"s1": "N", "s10": "flux.1"})) == "N + flux.1 <= 7 (net.py:3)"
