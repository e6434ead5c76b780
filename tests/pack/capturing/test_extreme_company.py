"""A rule over the whole batch that no ordinary row wakes is found by an extreme one; what is per row is let be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hyrax_runtime.replay import compile_function

from hyrax_pack.capturing.extreme_company import find_coupling


def function_of(body: str) -> Callable[[Any], Any]:
    lines = "".join(f"    {line}\n" for line in ("import numpy as np", 'd = data_dict["data"]', *body.splitlines()))
    return compile_function(f"def to_tensor(data_dict):\n{lines}")


def batch(rows: Sequence[int]) -> dict[str, Any]:
    """Ordinary rows: small numbers, a count, a flag, an id."""
    random = [np.random.default_rng(row) for row in rows]
    return {
        "data": {
            "flux": [one.normal(size=6).astype(np.float32) for one in random],
            "scale": [np.float32(one.uniform(1, 2)) for one in random],
            "counts": [one.integers(3, 30, 4).astype(np.uint16) for one in random],
            "good": [np.bool_(True) for _ in rows],
            "object_id": [np.int64(row) for row in rows],
        },
        "object_id": [np.int64(row) for row in rows],
    }


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("x = np.array(d['flux'])\nreturn x / 255 if x.max() > 50 else x", id="a threshold above all"),
        pytest.param(
            "x = np.array(d['scale'])[:, None]\nreturn x * 9 if x.min() < 0.5 else x", id="a threshold below all"
        ),
        pytest.param(
            "x = np.array(d['flux'])\nreturn np.zeros_like(x) if np.isnan(x).any() else x", id="one NaN empties all"
        ),
        pytest.param("x = np.array(d['flux'])\nreturn x * (1 + np.isinf(x).any())", id="one infinity doubles all"),
        pytest.param("x = np.array(d['counts'])\nreturn x * 2.0 if x.max() > 1000 else x * 1.0", id="integers"),
        pytest.param(
            "x = np.array(d['flux'])\nreturn x if all(d['good']) else x * 0", id="a flag that was never false"
        ),
        pytest.param(
            "x = np.array(d['flux'])\nreturn x * 2 if np.array(d['scale']).max() > 99 else x",
            id="a threshold of another field",
        ),
        pytest.param(
            "x = np.array(d['flux'])\nk = np.abs(x).max() > 99\nreturn x.astype('f8' if k else 'f4')", id="the dtype"
        ),
    ],
)
def test_a_dormant_rule_over_the_batch_is_found(body: str) -> None:
    assert find_coupling(function_of(body), batch, range(20)) is not None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("x = np.array(d['flux'])\nreturn np.where(x > 50, x / 255, x)", id="a threshold per value"),
        pytest.param("x = np.array(d['flux'])\nreturn x / np.abs(x).max(axis=1, keepdims=True)", id="a norm per row"),
        pytest.param(
            "x = np.array(d['flux'])\nreturn (x - x.mean(1)[:, None]) / (x.std(1)[:, None] + 1e-8)", id="standardised"
        ),
        pytest.param("return np.stack([np.nan_to_num(r) for r in d['flux']])", id="a loop"),
        pytest.param(
            "return np.log1p(np.clip(np.array(d['flux']), 0, None)) @ np.ones((6, 3), np.float32)", id="a product"
        ),
        pytest.param("return np.sort(np.array(d['counts']), axis=1) / 65535", id="a sort per row"),
        pytest.param("x = np.array(d['flux'])\nassert np.isfinite(x).all()\nreturn x", id="an error that all hear"),
        pytest.param("return np.eye(40, dtype=np.float32)[np.array(d['counts'])[:, 0]]", id="a table that ends"),
    ],
)
def test_rows_by_themselves_are_independent(body: str) -> None:
    assert find_coupling(function_of(body), batch, range(20)) is None


def test_the_words_name_the_row_and_the_difference() -> None:
    found = find_coupling(function_of("x = np.array(d['flux'])\nreturn x / 255 if x.max() > 50 else x"), batch, [3])
    assert found is not None
    assert "1000 times as large" in found
    assert "slot 0, by" in found


def test_what_is_tried_leaves_the_caller_s_rows_alone() -> None:
    kept = batch(range(5))
    before = [row.copy() for row in kept["data"]["flux"]]
    find_coupling(function_of("return np.array(d['flux'])"), lambda _: kept, range(5))
    assert all(np.array_equal(one, other) for one, other in zip(before, kept["data"]["flux"], strict=True))
