"""Golden columns come back as they went in, and tampered ones do not come back at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hyrax_runtime.difference import (
    Allowance,
    compare,
    differences,
    greatest_difference,
    lowering_allowance,
    rounding_allowance,
)
from hyrax_runtime.errors import GoldenError
from hyrax_runtime.golden import decode_column, encode_column
from hyrax_runtime.manifest import ITEM_SIZE

numbers = st.sampled_from(sorted(ITEM_SIZE)).map(np.dtype)


def there_and_back(kind: Any, rows: Any) -> Any:
    column, members = encode_column("data/x", kind, rows, member="golden/input-0")
    assert all(name.startswith("golden/input-0.") for name in members)
    return decode_column(column, members.__getitem__)


@given(
    numbers.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)))
)
def test_arrays_come_back_bit_for_bit(values: Any) -> None:
    again = there_and_back("array", values)
    assert again.dtype == values.dtype and again.shape == values.shape
    assert again.tobytes() == values.tobytes()


@given(st.lists(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=4)), min_size=1))
def test_ragged_rows_come_back_bit_for_bit(rows: Any) -> None:
    again = there_and_back("ragged", rows)
    assert [row.shape for row in again] == [row.shape for row in rows]
    assert [row.tobytes() for row in again] == [row.tobytes() for row in rows]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))), st.lists(st.binary()))
def test_text_and_bytes_come_back(texts: list[str], blobs: list[bytes]) -> None:
    assert there_and_back("string", texts) == texts
    assert there_and_back("bytes", blobs) == blobs


def test_big_endian_and_strided_arrays_come_back_by_value() -> None:
    values = np.arange(12, dtype=">f4").reshape(3, 4)[:, ::2]
    again = there_and_back("array", values)
    assert again.dtype.isnative and again.tolist() == values.tolist()


@pytest.mark.parametrize(
    ("kind", "rows", "words"),
    [
        ("array", [np.zeros(2), np.zeros(3)], "do not stack"),
        ("array", np.array(["2026-01-01"], "M8[D]"), "cannot travel"),
        ("ragged", [np.zeros(2), np.zeros((2, 2))], "one rank"),
        ("string", ["a", 3], "row 1: int is not str"),
    ],
    ids=["unlike rows", "dates", "mixed ranks", "a number among text"],
)
def test_rows_that_cannot_travel_are_refused(kind: Any, rows: Any, words: str) -> None:
    with pytest.raises(GoldenError, match=words):
        encode_column("data/x", kind, rows, member="golden/x")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": (3, 4)}, "24 bytes where"),
        ({"dtype": "O"}, "not in the closed table"),
        ({"dtype": "float64"}, "takes 48"),
    ],
    ids=["shape", "object dtype", "wider dtype"],
)
def test_an_array_that_contradicts_its_entry_is_refused(change: Any, words: str) -> None:
    column, members = encode_column("data/x", "array", np.zeros((2, 3), "f4"), member="golden/x")
    with pytest.raises(GoldenError, match=words):
        decode_column(replace(column, **change), members.__getitem__)


@pytest.mark.parametrize(
    "offsets",
    [[0, 3, 2, 5], [0, 2, 4, 4], [1, 2, 3, 5], [0, 2, 4, 9], [-2, 2, 4, 5], []],
    ids=["backwards", "too short", "not from zero", "past the end", "negative", "none"],
)
def test_offsets_that_do_not_run_over_the_values_are_refused(offsets: list[int]) -> None:
    column, members = encode_column("data/x", "string", ["ab", "cd", "e"], member="golden/x")
    members[column.offsets or ""] = np.array(offsets, "<i8").tobytes()
    with pytest.raises(GoldenError):
        decode_column(column, members.__getitem__)


def test_row_shapes_that_do_not_fill_are_refused() -> None:
    column, members = encode_column("data/x", "ragged", [np.zeros((2, 2)), np.zeros((1, 2))], member="golden/x")
    members[column.shapes or ""] = np.array([[2, 2], [-1, -2]], "<i8").tobytes()
    with pytest.raises(GoldenError, match="do not fill"):
        decode_column(column, members.__getitem__)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("wanted", "got", "difference"),
    [
        ([1.0, NAN], [1.5, NAN], 0.5),
        ([1.0, NAN], [NAN, 1.0], INF),
        ([1.0], [NAN], INF),
        ([INF], [INF], 0.0),
        ([INF], [-INF], INF),
        ([INF], [1e30], INF),
        ([], [], 0.0),
        ([1e308], [-1e308], INF),
    ],
)
def test_nan_equals_only_nan_in_its_place(wanted: Any, got: Any, difference: float) -> None:
    assert greatest_difference(np.array(wanted), np.array(got)) == difference


def test_large_integers_differ_by_what_they_differ_by() -> None:
    assert greatest_difference(np.array([2**63], "u8"), np.array([2**63 - 1], "i8")) == 1.0
    assert greatest_difference(np.array([True]), np.array([False])) == INF
    assert differences(np.array([2**63, 5], "u8"), np.array([2**63 - 1, 5], "i8")).tolist() == [1.0, 0.0]
    assert differences(np.array([True, True]), np.array([False, True])).tolist() == [INF, 0.0]


def test_rounding_is_allowed_to_floats_only() -> None:
    assert rounding_allowance(np.array([1, 1000])).tolerance == 0.0
    assert rounding_allowance(np.array([4.0, NAN, INF], "f4")).tolerance == 256 * np.finfo("f4").eps
    assert rounding_allowance(np.array([NAN])).tolerance == 0.0


@pytest.mark.parametrize("allowance", [rounding_allowance, lowering_allowance])
def test_a_small_column_is_held_to_its_own_scale_beside_a_large_one(allowance: Any) -> None:
    wanted = np.array([[1e7, 0.5], [2e7, 0.25], [3e7, 0.75]], "f4")
    other = wanted + np.array([1.0, 1e-7], "f4")
    assert compare(wanted, other, allowance(wanted).at(wanted)).within
    other[1, 1] = 0.2501
    found = compare(wanted, other, allowance(wanted).at(wanted))
    assert not found.within and found.place == (1, 1)


def test_an_ordinary_row_is_held_to_its_own_scale_beside_a_bright_one() -> None:
    wanted = np.array([1.0, 2.0, 1e8])
    allowed = Allowance(1e-6, 1e-6).at(wanted)
    assert compare(wanted, wanted + np.array([0, 0, 10.0]), allowed).within
    assert not compare(wanted, wanted + np.array([0, 1e-3, 0]), allowed).within


def test_what_is_allowed_lies_along_any_axis() -> None:
    maps = np.ones((2, 3, 4))
    maps[:, 1] = 100
    assert Allowance((1e-6, 1e-4, 1e-6), 1e-6, axis=1).at(maps).shape == (2, 3, 1)
    maps[0, 2, 3] += 1e-5
    assert compare(np.ones((2, 3, 4)), maps, np.full((1, 3, 1), 1e-3)).place == (0, 1, 0)
