"""Which rows prove, and what is known of the fields that they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyrax_runtime.manifest import Slot

from hyrax_pack.workflow.evidence import Evidence, gather_evidence
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
