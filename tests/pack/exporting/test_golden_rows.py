"""Which rows travel as proof."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hyrax_pack.exporting import choose_golden_rows


@pytest.fixture
def rows() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    flux = rng.normal(size=(50, 4)).astype(np.float32)
    flux[31, 2] = np.nan
    flux[7] = 100.0
    flux[9] = -100.0
    return {
        "data": {
            "flux": list(flux),
            "magnitude": list(rng.normal(size=50)),
            "name": [f"object {n}" for n in range(50)],
        },
        "object_id": list(range(50)),
    }


def test_at_least_eight_rows_are_chosen(rows: dict[str, Any]) -> None:
    assert len(choose_golden_rows(rows, 50)) >= 8


def test_the_ends_of_every_field_are_among_them(rows: dict[str, Any]) -> None:
    chosen = choose_golden_rows(rows, 50)
    magnitude = np.array(rows["data"]["magnitude"])
    assert {7, 9, int(magnitude.argmin()), int(magnitude.argmax())} <= set(chosen)


def test_a_row_with_nan_is_among_them(rows: dict[str, Any]) -> None:
    assert 31 in choose_golden_rows(rows, 50)


def test_few_rows_are_all_chosen(rows: dict[str, Any]) -> None:
    few = {"data": {"flux": rows["data"]["flux"][:5]}}
    assert choose_golden_rows(few, 5) == (0, 1, 2, 3, 4)


def test_rows_of_text_alone_are_chosen_too() -> None:
    assert len(choose_golden_rows({"data": {"name": [str(n) for n in range(20)]}}, 20)) == 8


def test_ragged_and_stacked_rows_are_both_understood() -> None:
    ragged = [np.full(length, length, np.float32) for length in range(1, 21)]
    assert {0, 19} <= set(choose_golden_rows({"data": {"flux": ragged}}, 20))
    assert {0, 19} <= set(choose_golden_rows({"data": {"flux": np.arange(40.0).reshape(20, 2)}}, 20))


def test_the_choice_is_the_same_each_time(rows: dict[str, Any]) -> None:
    assert choose_golden_rows(rows, 50) == choose_golden_rows(rows, 50)
