"""A rule over the whole batch that no ordinary row wakes is found by an extreme one; what is per row is let be."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hyrax_runtime.replay import as_slots, compile_function

from hyrax_pack.capturing.extreme_company import Company, find_coupling
from hyrax_pack.capturing.extremes import literals_of

READ = {
    "data/flux",
    "data/scale",
    "data/counts",
    "data/bytes",
    "data/band",
    "data/date",
    "data/good",
    "data/curve",
    "data/object_id",
}


def coupling_of(body: str, rows: Sequence[int] = range(5), above: str = "") -> str | None:
    """What is found of a function of this body."""
    lines = "".join(
        f"    {line}\n"
        for line in ("import contextlib", "import numpy as np", 'd = data_dict["data"]', *body.splitlines())
    )
    text = f"{above}\ndef to_tensor(data_dict):\n{lines}"
    function = compile_function(text)

    def call(data_dict: dict[str, Any], rows: int) -> Any:
        with contextlib.suppress(Exception):
            return as_slots(function(data_dict), rows=rows).slots
        return None

    return find_coupling(call, Company(batch(rows), batch(rows[:1]), len(rows)), text, read=READ)


def batch(rows: Sequence[int]) -> dict[str, Any]:
    """Ordinary rows: small numbers, a count, a flag, an id."""
    random = [np.random.default_rng(row) for row in rows]
    return {
        "data": {
            "flux": [one.normal(size=6).astype(np.float32) for one in random],
            "scale": [np.float32(one.uniform(1, 2)) for one in random],
            "counts": [one.integers(3, 30, 4).astype(np.uint16) for one in random],
            "bytes": [one.integers(60, 250, 4).astype(np.uint8) for one in random],
            "band": ["gri"[row % 3] for row in rows],
            "date": [f"2024-01-{row + 10}T12:00" for row in rows],
            "curve": [one.normal(size=6 + row % 3) for row, one in zip(rows, random, strict=True)],
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
            "x = np.array(d['flux'])\nreturn x * 0 if np.isnan(x).mean() > 0.5 else x", id="more than half missing"
        ),
        pytest.param(
            "x = np.array(d['scale'])\nreturn x * 2 if (x == 0).sum() > 3 else x", id="a number of rows with a value"
        ),
        pytest.param(
            "out, last = [], 0.0\nfor x in d['scale']:\n    last = x if np.isfinite(x) else last\n"
            "    out.append(last)\nreturn np.array(out)",
            id="a value filled in from the row before",
        ),
        pytest.param(
            "out = []\nfor x in d['curve']:\n    if len(x) > 2:\n        peak = x.max()\n    out.append(peak)\n"
            "return np.array(out)",
            id="a variable that a short row leaves as it was",
        ),
        pytest.param(
            "out = []\nfor day in d['date']:\n    with contextlib.suppress(ValueError):\n"
            "        hour = int(day[11:13])\n    out.append(hour)\nreturn np.array(out)",
            id="a variable that an error leaves as it was",
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
        pytest.param(
            "x = np.array(d['bytes']) * 1.0\nreturn x / 255 if x.max() > 30 else x", id="bytes that are never dark"
        ),
        pytest.param("x = np.array(d['bytes']) * 1.0\nreturn x / 255 if x.max() > 1 else x", id="bytes, told by 1"),
        pytest.param(
            "x = np.array(d['flux'])\nbad = x == -999\nif bad.any():\n    x[bad] = np.median(x[~bad])\nreturn x",
            id="a code for a missing value",
        ),
        pytest.param(
            "x = np.array(d['flux'])\nbad = x == BAD\nif bad.any():\n    x[bad] = np.median(x[~bad])\nreturn x",
            id="a code that stands above",
        ),
        pytest.param(
            "x = np.array(d['flux'])\nok = np.isfinite(x)\nif not ok.all():\n    x[~ok] = x[ok].min()\nreturn x",
            id="NaN filled from the batch",
        ),
        pytest.param(
            "x = np.array(d['flux'])\nbad = np.isnan(x)\nif bad.any() and not bad.all(axis=1).any():\n"
            "    x = np.where(bad, np.nanmean(x, axis=0), x)\nreturn x",
            id="a single NaN filled from the column",
        ),
        pytest.param("x = np.array(d['flux'])\nreturn x / 2 if x.min() < -20000 else x", id="a threshold far below"),
        pytest.param(
            "kind = np.eye(250)[np.array(d['bytes'])[:, 0]]\nx = np.array(d['flux'])\n"
            "return np.concatenate([x - min(x.min(), 0) if x.min() < -50 else x, kind], 1)",
            id="a negative value beside a table",
        ),
        pytest.param(
            "x = np.array(d['flux'])\nreturn x - x.mean(0) if (np.array(d['counts']) == 777).any() else x",
            id="a class that no row has",
        ),
        pytest.param("x = np.array(d['flux'])\nreturn x * 2 if 'y' in d['band'] else x", id="a band that no row has"),
        pytest.param("x = np.array(d['flux'])\nreturn x / max(map(len, d['band']))", id="the length of a text"),
        pytest.param("x = np.array(d['flux'])\nreturn x * 2 if '' in d['band'] else x", id="an empty text"),
        pytest.param(
            "t = np.array(d['date'], dtype='datetime64')\n"
            "return (t - np.datetime64('2024-01-01')).astype('f8')[:, None]",
            id="the unit of dates, which the finest of them decides",
        ),
        pytest.param(
            "n = max(12, max(map(len, d['curve'])))\nreturn np.stack([np.pad(c, (0, n - len(c))) for c in d['curve']])",
            id="a curve longer than any",
        ),
        pytest.param(
            "x = np.array(d['flux'])\nu, at = np.unique(d['object_id'], return_inverse=True)\n"
            "s = np.zeros((len(u), 6))\nnp.add.at(s, at, x)\nreturn s[at]",
            id="an object that is there twice",
        ),
        pytest.param(
            "x = np.array(d['flux'])\nfor row in x:\n    bad = row[0] < -50\nif bad:\n    x[:] = 0\nreturn x",
            id="what a loop leaves behind",
        ),
        pytest.param("x = np.array(d['flux'])\nreturn x - x[::-1] * np.isneginf(x).any()", id="minus infinity"),
        pytest.param(
            "x = np.array(d['flux'])\nreturn x + np.float32(1e-6) * np.isnan(x).any()", id="hardly more than last bits"
        ),
        pytest.param(
            "x = np.array(d['flux'])\nif np.array(d['scale']).min() == 0:\n    x = x * 2\nreturn x",
            id="a zero in one field",
        ),
    ],
)
def test_a_dormant_rule_over_the_batch_is_found(body: str) -> None:
    assert coupling_of(body, above="BAD = -32768.0") is not None


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
        pytest.param("return np.array([['g', 'r', 'i'].index(b) for b in d['band']])", id="names in a list"),
        pytest.param("x = np.array(d['bytes']) / 255\nreturn np.where(x > 0.1, x, 0)", id="bytes"),
        pytest.param(
            "x = np.array(d['flux'])\nbad = x == -999\nreturn np.stack([np.where(bad, 0, x), bad], 1)", id="a mask"
        ),
        pytest.param(
            "x = np.array(d['flux'])\nreturn np.stack([np.where(np.isfinite(r), r, np.nanmedian(r)) for r in x])",
            id="filled from the row",
        ),
        pytest.param(
            "x = np.array(d['flux'])\nx = x - x.mean(axis=1, keepdims=True)\n"
            "return x @ np.polynomial.legendre.legvander(np.linspace(-1, 1, 6), 3).astype('f4')",
            id="what cancels out",
        ),
        pytest.param(
            "x = np.stack([d['flux'], d['flux'], d['flux']], 1)\n"
            "low, high = np.nanpercentile(x, [1, 99.5], axis=(1, 2), keepdims=True)\n"
            "return ((x - low) / (high - low)).astype('f4')",
            id="last bits, where numpy takes another way for a row of NaN",
        ),
        pytest.param("return np.stack([np.pad(c, (0, 20))[:12] for c in d['curve']])", id="curves cut to one length"),
        pytest.param(
            "x = np.array(d['flux'])\nif np.isnan(x).any():\n    raise ValueError('NaN')\nreturn np.sqrt(x)",
            id="NaN refused",
        ),
    ],
)
def test_rows_by_themselves_are_independent(body: str) -> None:
    assert coupling_of(body) is None


UNEVEN = [(30, 8, 5, 12, 3), (9, 2, 7, 4, 0), (8, 0, 6, 1, 0), (1, 1, 30, 1, 2)]


@pytest.mark.parametrize("lengths", UNEVEN, ids=str)
def test_rows_of_very_uneven_length_are_tried_place_by_place(lengths: tuple[int, ...]) -> None:
    """Whatever is put in a row has its place there: a light curve may be a tenth of the one that is first."""

    def curves(rows: Sequence[int]) -> dict[str, Any]:
        return {"data": {"curve": [np.arange(1.0, lengths[row] + 1) for row in rows]}}

    def found(answer: Any) -> str | None:
        def call(data_dict: dict[str, Any], rows: int) -> Any:
            padded = np.zeros((rows, 100))
            for row, curve in zip(padded, data_dict["data"]["curve"], strict=True):
                row[: len(curve)] = curve
            return [answer(padded)]

        return find_coupling(call, Company(curves(range(5)), curves([0]), 5), "", read={"data/curve"})

    assert found(lambda padded: padded) is None
    assert found(lambda padded: padded * (1 + np.isnan(padded).any())) is not None


def test_the_words_tell_a_row_among_many_that_are_extreme() -> None:
    found = coupling_of("x = np.array(d['flux'])\nreturn x * 0 if np.isnan(x).mean() > 0.5 else x")
    assert str(found).startswith("where all other rows are filled with nan in all fields, a row changes (slot 0, by ")


def test_the_words_name_the_row_the_field_and_the_difference() -> None:
    found = coupling_of("x = np.array(d['flux'])\nreturn x / 255 if x.max() > 50 else x", [3] * 5)
    assert found is not None
    assert found.startswith(
        "where one row is 1000 times as large in all fields, the rows beside it change (slot 0, by "
    )
    found = coupling_of("x = np.array(d['flux'])\nreturn x * 2 if 'y' in d['band'] else x")
    assert str(found).startswith("where one row is the text 'y' in data/band, the rows beside it change (slot 0, by ")


def test_a_row_that_is_refused_alone_and_answered_beside_others_is_filled_in_from_them() -> None:
    found = coupling_of("x = np.array(d['flux'])\ngood = np.isfinite(x)\nreturn np.where(good, x, x[good].min())")
    assert found == "a row that is filled with nan in all fields is refused alone, and answered beside others"


def test_fields_that_are_not_read_are_not_given() -> None:
    seen = set()

    def call(data_dict: dict[str, Any], rows: int) -> Any:
        seen.update(data_dict, data_dict["data"])
        return [np.stack(data_dict["data"]["flux"])]

    find_coupling(call, Company(batch(range(5)), batch([0]), 5), "", read={"data/flux"})
    assert seen == {"data", "flux"}


def test_stacked_fields_are_tried_like_lists() -> None:
    def stacked(rows: Sequence[int]) -> dict[str, Any]:
        return {"data": {"band": np.array(["gri"[row % 3] for row in rows]), "x": np.ones((len(rows), 2))}}

    def call(data_dict: dict[str, Any], rows: int) -> Any:
        return [data_dict["data"]["x"] * np.char.str_len(data_dict["data"]["band"]).max()]

    found = find_coupling(call, Company(stacked(range(5)), stacked([0]), 5), "", read={"data/band", "data/x"})
    assert "an empty text in data/band" in str(found)


def test_the_parts_together_make_every_attempt() -> None:
    def attempts(part: tuple[int, int]) -> list[bytes]:
        seen: list[bytes] = []

        def call(data_dict: dict[str, Any], rows: int) -> Any:
            seen.append(repr(data_dict).encode())
            return [np.stack(data_dict["data"]["flux"])]

        find_coupling(call, Company(batch(range(5)), batch([0]), 5), "", read=READ, part=part)
        return seen

    whole, halves = attempts((0, 1)), [*attempts((0, 2)), *attempts((1, 2))]
    assert set(whole) == set(halves)
    assert len(halves) == len(whole) + 1  # the ordinary rows, in each


def test_what_is_tried_leaves_the_caller_s_rows_alone() -> None:
    kept = batch(range(5))
    before = repr(kept)
    find_coupling(lambda given, rows: given["data"]["flux"].clear(), Company(kept, batch([0]), 5), "", read=READ)
    assert repr(kept) == before


def test_literals_are_those_that_are_compared_with() -> None:
    text = (
        "LIMIT = 3.5\nNAMES = {'u': 1}\n\ndef f(x, b):\n    y = x[12] * 0.5\n"
        "    return y if x < -999 or b in ('y', 'z') or np.isin(x, [7]) else x[3] > LIMIT\n"
    )
    found = literals_of(text)
    assert set(found.numbers) == {-999.0, 7.0, 3.5, 1.0}
    assert set(found.words) == {"y", "z", "u"}
    assert found.sizes(2, 100) == [7, 8, 2]
