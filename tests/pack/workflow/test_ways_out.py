"""What a message says to do is done, and leads on: no cure ends at the refusal that it began with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hyrax_pack.config import Config, load_config
from hyrax_pack.errors import AbsentLabelError, CoupledRowsError, StaleTextError, TrainingError, UsageError
from hyrax_pack.run import Run
from hyrax_pack.workflow import export, export_folder, load_trained
from tests.pack.workflow.test_changed_since import Project

COUPLED = 'np.asarray(data["flux"]) - np.asarray(data["flux"]).mean(0)'
PLAIN = 'np.asarray(data["flux"]) / np.float32(50)'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def given(run: Run, **model: Any) -> Config:
    tables = run.config.for_user()
    tables["model"] |= model
    return load_config(tables=tables)


def test_names_of_outputs_and_classes_are_given_at_export(project: Project, tmp_path: Path) -> None:
    run = project.train()
    said: list[str] = []
    settings = given(run, outputs=["score"], classes=["star", "galaxy"])
    with export(run, tmp_path / "net.hyrax", config=settings, say=said.append) as bundle:
        (output,) = bundle.manifest.outputs
        assert (output.name, list(output.classes or ())) == ("score", ["star", "galaxy"])
        more = bundle.manifest.provenance["settings_given_at_export"]
        assert more == {"model.classes": ["star", "galaxy"], "model.outputs": ["score"]}
    assert any("model.outputs is ['score'], given now; in training: not set" in line for line in said)


def test_settings_that_weights_depend_on_are_refused_by_key(project: Project, tmp_path: Path) -> None:
    run = project.train()
    tables = run.config.for_user()
    tables["train"]["epochs"] = 9
    with pytest.raises(TrainingError, match=r"other settings: train\.epochs \(run: 2, given: 9\)\. Export takes model"):
        export(run, tmp_path / "net.hyrax", config=load_config(tables=tables))


def test_a_text_that_was_edited_and_makes_the_same_tensors_ships_as_it_is_now(project: Project, tmp_path: Path) -> None:
    """As its cure says: the label is asked for with get, and not taken for granted."""
    project.edit('np.asarray(data.get("label", []), dtype=np.int64)', "labels_of(data)")
    project.model.write_text(
        project.model.read_text()
        + """

def labels_of(data):
    import numpy as np

    return np.asarray(data.get("label", []), dtype=np.int64)
"""
    )
    run = project.train()
    project.edit("labels_of(data)\n\n", "np.asarray(data.get('label', []), dtype='int64')\n\n")
    said: list[str] = []
    with export(run, tmp_path / "net.hyrax", say=said.append) as bundle:
        assert "labels_of" not in bundle.source
        assert bundle.source_sha256 != run.to_tensor_sha256
        assert bundle.manifest.provenance["to_tensor_sha256_of_training"] == run.to_tensor_sha256
        assert bundle.manifest.metrics
    assert any("to_tensor has changed since training, and makes the same tensors" in line for line in said)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("np.float32(50)", "np.float32(50.000004)", id="the last bit of a constant"),
        pytest.param('data.get("label", [])', 'data["label"]', id="a label that is taken for granted"),
        pytest.param("dtype=np.int64", "dtype=np.int32", id="another dtype"),
    ],
)
def test_a_text_that_was_edited_and_makes_other_tensors_is_refused(project: Project, old: str, new: str) -> None:
    run = project.train()
    project.edit(old, new)
    with pytest.raises(StaleTextError, match=r"makes other tensors of the same rows .* --to-tensor run"):
        load_trained(run)


def test_settings_for_a_run_of_hyrax_are_refused_rather_than_ignored(tmp_path: Path) -> None:
    (tmp_path / "runtime_config.toml").write_text("")
    with pytest.raises(UsageError, match="is a run folder of Hyrax: -c and --set change nothing"):
        export_folder(tmp_path, tmp_path / "net.hyrax", config=load_config())


def test_a_batch_is_declared_joint_at_export(project: Project, tmp_path: Path) -> None:
    project.edit("self.layer(batch[0])", "self.layer(batch[0] - batch[0].mean(0))")
    run = project.train()
    with pytest.raises(CoupledRowsError, match="joint"):
        export(run, tmp_path / "net.hyrax")
    with export(run, tmp_path / "net.hyrax", config=given(run, batch="joint")) as bundle:
        assert bundle.contract.batch == "joint"


@pytest.mark.parametrize(
    ("old", "new", "error", "cure"),
    [
        pytest.param(
            PLAIN, COUPLED, CoupledRowsError, r'declare the batch joint: \[model\] batch = "joint"', id="joint"
        ),
        pytest.param(
            'data.get("label", [])',
            'data["label"]',
            AbsentLabelError,
            r'write data\.get\("label", \[\]\)',
            id="a label",
        ),
        pytest.param(
            "data = data_dict[",
            'assert "label" in data_dict["data"]\n        data = data_dict[',
            AbsentLabelError,
            r"where data/label is there it works",
            id="a label that is not named",
        ),
    ],
)
def test_a_function_that_export_would_refuse_is_refused_before_the_first_epoch(
    project: Project, capsys: pytest.CaptureFixture[str], old: str, new: str, error: type[Exception], cure: str
) -> None:
    project.edit(old, new)
    with pytest.raises(error, match=cure):
        project.train()
    assert "epoch 1" not in capsys.readouterr().err


def test_names_that_do_not_fit_are_said_before_the_first_epoch(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.train(model={"outputs": ["a", "b"], "classes": ["x", "y", "z"]})
    lines = capsys.readouterr().err.splitlines()
    (outputs,) = [
        at for at, line in enumerate(lines) if line.startswith("model.outputs names 2 outputs, and inference g")
    ]
    (classes,) = [at for at, line in enumerate(lines) if "no output has as many columns (output_0 ['N', 2])" in line]
    assert max(outputs, classes) < next(at for at, line in enumerate(lines) if line.startswith("epoch 1/"))


def test_data_for_inference_that_is_not_here_does_not_keep_a_run_from_training(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = {"nightly": {"dataset_class": "NpzDataset", "data_location": "/not/here.npz"}}
    run = project.train(data_request={"infer": elsewhere})
    assert run.facts["state"] == "finished"
    assert "Inference does not answer, so export will fail: data_request.infer.nightly: no data set" in (
        capsys.readouterr().err
    )
