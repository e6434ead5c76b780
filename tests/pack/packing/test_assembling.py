"""A bundle holds what was proven, and proves itself before it takes its place."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hyrax_runtime.bundle import open_bundle
from hyrax_runtime.errors import DriftError, ReplayError
from hyrax_runtime.loading import load

from hyrax_pack.errors import PackError
from hyrax_pack.exporting.weights import Weights
from hyrax_pack.packing import gather_provenance, pack
from tests.pack.packing.conftest import Parts


def test_a_bundle_predicts_what_the_model_answers(parts: Parts, tmp_path: Path) -> None:
    bundle = pack(tmp_path / "model.hyrax", parts.network, parts.contents)
    rows = parts.data_dict([3, 1, 4])
    with load(bundle.path, trust=bundle.id) as predictor:
        outputs = predictor.predict(rows)
    wanted = parts.network.compute((parts.captured.compile()(rows)[0], None))
    for output in bundle.manifest.outputs:
        assert (np.abs(outputs[output.name] - wanted[output.name]) <= output.tolerance).all()


def test_the_manifest_records_what_was_measured(parts: Parts, tmp_path: Path) -> None:
    manifest = pack(tmp_path / "model.hyrax", parts.network, parts.contents).manifest
    scores = manifest.outputs[0]
    closest = manifest.parity["outputs"]["scores"]["closest"]
    assert scores.axis == 1 and scores.shape == ("N", len(scores.tolerance))  # type: ignore[arg-type]
    assert closest["error"] <= closest["allowed"]
    assert manifest.batch_proof["measured"] == "independent"
    assert manifest.outputs[0].classes == ("a", "b", "c")
    assert manifest.outputs[1].classes is None
    assert [slot.kind for slot in manifest.preprocessing.slots] == ["tensor", "none"]
    assert manifest.preprocessing.returns == "tuple"
    assert manifest.metrics == {"validation/loss": 0.25}
    assert manifest.provenance["to_tensor_sha256"] == parts.captured.sha256


def test_golden_rows_hold_raw_input_tensors_and_outputs(parts: Parts, tmp_path: Path) -> None:
    golden = pack(tmp_path / "model.hyrax", parts.network, parts.contents).manifest.golden
    assert golden.rows >= 8
    assert [(column.path, column.kind) for column in golden.input] == [
        ("data/flux", "ragged"),
        ("data/magnitude", "array"),
        ("data/name", "string"),
    ]
    assert [column.path for column in golden.tensors] == ["input_0"]
    assert [column.path for column in golden.outputs] == ["scores", "norm", "table"]


def test_the_same_parts_give_the_same_bytes(parts: Parts, tmp_path: Path) -> None:
    first, second = (pack(tmp_path / name, parts.network, parts.contents) for name in ("a.hyrax", "b.hyrax"))
    assert first.id == second.id
    assert first.path.read_bytes() == second.path.read_bytes()


def test_weights_that_were_damaged_on_the_way_leave_no_file(parts: Parts, tmp_path: Path) -> None:
    block = bytearray(parts.network.weights.data)
    block[: 4 * 64] = bytes(4 * 64)
    damaged = dataclasses.replace(parts.network, weights=Weights(memoryview(block)))
    with pytest.raises(DriftError, match="first in graph"):
        pack(tmp_path / "model.hyrax", damaged, parts.contents)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_that_is_there_survives_a_failure(parts: Parts, tmp_path: Path) -> None:
    before = pack(tmp_path / "model.hyrax", parts.network, parts.contents).id
    block = bytearray(parts.network.weights.size)
    damaged = dataclasses.replace(parts.network, weights=Weights(memoryview(block)))
    with pytest.raises(DriftError):
        pack(tmp_path / "model.hyrax", damaged, parts.contents)
    with open_bundle(tmp_path / "model.hyrax") as bundle:
        assert bundle.id == before


def test_golden_rows_without_a_field_that_is_read_are_refused(parts: Parts, tmp_path: Path) -> None:
    contract = dataclasses.replace(
        parts.contents.contract,
        fields=tuple(
            dataclasses.replace(field, path="data/colour") if field.path == "data/name" else field
            for field in parts.contents.contract.fields
        ),
    )
    with pytest.raises(PackError, match="lack data/colour"):
        pack(tmp_path / "model.hyrax", parts.network, dataclasses.replace(parts.contents, contract=contract))


def test_a_to_tensor_that_is_not_the_exported_ones_is_refused(parts: Parts, tmp_path: Path) -> None:
    text = parts.captured.text.replace("np.float32", "np.float64")
    other = dataclasses.replace(parts.contents, captured=dataclasses.replace(parts.captured, text=text))
    with pytest.raises(ReplayError, match="float64"):
        pack(tmp_path / "model.hyrax", parts.network, other)


def test_a_contract_of_another_batch_is_refused(parts: Parts, tmp_path: Path) -> None:
    joint = dataclasses.replace(parts.contents.contract, batch="joint")
    with pytest.raises(PackError, match="'joint', the network was proven for 'independent'"):
        pack(tmp_path / "model.hyrax", parts.network, dataclasses.replace(parts.contents, contract=joint))


def test_provenance_names_the_commit_and_whether_files_changed_since(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True)

    file = tmp_path / "model.py"
    file.write_text("one = 1\n")
    assert "git_commit" not in gather_provenance(to_tensor_sha256="0", source=file)
    git("init", "-q")
    git("add", "model.py")
    git("commit", "-q", "-m", "one")
    clean: dict[str, Any] = gather_provenance(to_tensor_sha256="0", source=file)
    assert len(clean["git_commit"]) == 40
    assert clean["git_changed"] is False
    file.write_text("one = 2\n")
    assert gather_provenance(to_tensor_sha256="0", source=file)["git_changed"] is True


def test_provenance_holds_no_path_and_no_clock(parts: Parts) -> None:
    again = gather_provenance(to_tensor_sha256=parts.captured.sha256, seed=0)
    assert again == parts.contents.provenance
    assert "/" not in str(again)
    assert {"torch", "numpy", "onnxruntime", "hyrax-pack"} <= set(again["packages"])
