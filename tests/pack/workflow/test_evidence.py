"""Which rows prove, and what is known of the fields that they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyrax_runtime.manifest import Slot

from hyrax_pack.capturing import capture
from hyrax_pack.config import load_config
from hyrax_pack.data import DataProvider, Group, observe_group
from hyrax_pack.workflow.evidence import Evidence, evidence_group, gather_evidence, why_seen
from hyrax_pack.workflow.idle_fields import idle_fields
from hyrax_pack.workflow.rows_file import open_rows

ROWS = 40
X, LABEL = Slot("tensor", "float32", ("N", 3), "input_0"), Slot("tensor", "int64", ("N",), None)
READ = ("data/x", "data/offset", "data/label", "data/survey")


def two_slots(data_dict: dict[str, Any]) -> Any:
    data = data_dict["data"]
    x = np.asarray(data["x"], np.float32) + np.asarray(data["offset"], np.float32)[:, None]
    if max(data["survey"]) > 9:
        raise ValueError("no such survey")
    return x, np.asarray(data["label"], np.int64)


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    rng = np.random.default_rng(0)
    columns = {
        "x": rng.normal(size=(ROWS, 3)).astype(np.float32),
        "offset": np.ones(ROWS, np.float32),
        "label": rng.integers(0, 3, ROWS),
        "survey": np.full(ROWS, 9),
    }
    np.savez(tmp_path / "rows.npz", **columns)
    return gather_evidence(open_rows(tmp_path / "rows.npz", "list", labels=()).group("train"), capture(two_slots))


def test_a_field_that_feeds_pruned_slots_alone_is_named(evidence: Evidence) -> None:
    assert idle_fields(evidence, READ, (X, LABEL)) == ["data/label"]


def test_where_every_slot_is_an_input_no_field_is_idle(evidence: Evidence) -> None:
    slots = X, Slot("tensor", "int64", ("N",), "input_1")
    assert idle_fields(evidence, READ, slots) == []


def provider(**split: Any) -> DataProvider:
    data = {"dataset_class": "RandomDataset", "dataset_config": {"rows": 100}}
    return DataProvider(load_config(tables={"data_request": {"train": {"data": data}}, "split": split}))


@pytest.mark.parametrize(
    ("split", "in_training", "group", "words"),
    [
        pytest.param({"validate": 0.2}, {}, "validate", None, id="held out"),
        pytest.param({"validate": 0.2}, {"validate": 3}, "validate", "3 of the 20 rows of validate were", id="known"),
        pytest.param({"validate": 0.05}, {}, "train", "only 5 rows of validate are held out", id="too few"),
        pytest.param({"train": 1.0}, {}, "train", "no rows are held out", id="none"),
    ],
)
def test_rows_that_training_saw_are_not_called_held_out(
    split: Any, in_training: Any, group: str, words: str | None
) -> None:
    rows = evidence_group(data := provider(**split))
    assert rows.name == group
    why = why_seen(data, rows, in_training)
    assert why is None if words is None else words in str(why)


def features(data_dict: dict[str, Any]) -> Any:
    return np.asarray(data_dict["data"]["x"], np.float32)


def group_of(path: Path, x: Any) -> Group:
    np.savez(path, x=x)
    return open_rows(path, "list", labels=()).group("train")


@pytest.fixture
def many() -> Any:
    """2,000 rows: one with a NaN, one with the least value, one with the greatest."""
    x = np.random.default_rng(1).normal(size=(2000, 3)).astype(np.float32)
    x[700, 1], x[701, 0], x[702, 2] = np.nan, -1e4, 1e4
    return x


def all_steady(slots: tuple[Any, ...]) -> Any:
    return np.ones(len(slots[0]), dtype=bool)


def test_rows_whose_answer_hangs_on_rounding_are_no_golden_rows(tmp_path: Path, many: Any) -> None:
    group = group_of(tmp_path / "rows.npz", many)
    evidence = gather_evidence(group, capture(features), observe_group(group))
    data_dict, rows = evidence.golden(lambda slots: slots[0][:, 2] < 1e3)  # type: ignore[index, operator]
    golden = np.asarray(data_dict["data"]["x"])
    assert rows >= 8
    assert 1e4 not in golden
    assert -1e4 in golden


def test_rows_that_stand_out_are_tried_and_travel_as_proof(tmp_path: Path, many: Any) -> None:
    group = group_of(tmp_path / "rows.npz", many)
    evidence = gather_evidence(group, capture(features), observe_group(group))
    odd = evidence.trials()[0]
    assert odd.label == "3 rows of train with NaN, infinities, or a field's extremes"
    assert np.array_equal(odd.slots[0], many[700:703], equal_nan=True)
    data_dict, rows = evidence.golden(all_steady)
    golden = np.asarray(data_dict["data"]["x"])
    assert len(golden) == rows == len(data_dict["object_id"])
    assert np.isnan(golden).any()
    assert {-1e4, 1e4} <= set(golden[np.isfinite(golden)].tolist())


def test_rows_that_stand_out_in_another_group_are_tried_and_travel_too(tmp_path: Path, many: Any) -> None:
    trained = group_of(tmp_path / "train.npz", many)
    held_out = group_of(tmp_path / "held_out.npz", np.ones((40, 3), np.float32))
    held_out.name = "validate"
    evidence = gather_evidence(held_out, capture(features), observe_group(trained), [trained])
    assert np.array_equal(evidence.trials()[0].slots[0], many[700:703], equal_nan=True)
    data_dict, rows = evidence.golden(all_steady)
    assert np.isnan(np.asarray(data_dict["data"]["x"])).any()
    assert len(data_dict["object_id"]) == len(data_dict["data"]["x"]) == rows


def test_where_training_saw_a_nan_it_is_planted_into_other_rows_before_to_tensor(tmp_path: Path, many: Any) -> None:
    group = group_of(tmp_path / "rows.npz", many)
    (_odd, planted) = gather_evidence(group, capture(features), observe_group(group)).trials()
    assert planted.made_up
    assert planted.label == "9 rows with NaN in data/x"
    assert np.isnan(planted.slots[0]).any(axis=1).all()
    assert np.isnan(planted.slots[0]).sum() == 8 + 3


def test_where_no_row_stands_out_by_a_nan_none_is_planted(tmp_path: Path) -> None:
    group = group_of(tmp_path / "rows.npz", np.random.default_rng(0).normal(size=(100, 3)))
    assert [trial.made_up for trial in gather_evidence(group, capture(features), observe_group(group)).trials()] == [
        False
    ]
