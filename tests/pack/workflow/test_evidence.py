"""Which rows prove, and what is known of the fields that they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyrax_runtime.manifest import Slot

from hyrax_pack.config import load_config
from hyrax_pack.data import DataProvider
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
    return gather_evidence(open_rows(tmp_path / "rows.npz", "list", labels=()).group("train"), two_slots)


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
        pytest.param({"validate": 0.05}, {}, "train", "only 5 of validate are held out", id="too few"),
        pytest.param({"train": 1.0}, {}, "train", "none is held out", id="none"),
    ],
)
def test_rows_that_training_saw_are_not_called_held_out(
    split: Any, in_training: Any, group: str, words: str | None
) -> None:
    rows = evidence_group(data := provider(**split))
    assert rows.name == group
    why = why_seen(data, rows, in_training)
    assert why is None if words is None else words in str(why)
