"""`hyrax-pack check`, and the promise that what trained is what ships."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from hyrax_pack.errors import CoupledRowsError, StaleTextError, TrainingError
from hyrax_pack.run import Run
from hyrax_pack.workflow import check, export, load_trained, train

MODEL = """
import torch
from torch import nn

from hyrax_pack import hyrax_model

SCALE = 16.0
LOOKUP = {{}}


@hyrax_model
class Net(nn.Module):
    def __init__(self, config, data_sample):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, batch):
        image, _label = batch
        return self.layer(image)

    def train_step(self, batch):
        self.optimizer.zero_grad()
        loss = self.criterion(self.forward(batch), batch[1])
        loss.backward()
        self.optimizer.step()
        return {{"loss": loss}}

    @staticmethod
    def to_tensor(data_dict):
        import numpy as np
{body}
        return image, np.asarray(data_dict["data"].get("label", []), dtype=np.int64)
"""

PLAIN = '        image = np.asarray(data_dict["data"]["image"], dtype=np.float32).reshape(-1, 64) / np.float32(SCALE)'
COUPLED = PLAIN + "\n        image = image - image.mean(axis=0)"
UNCARRIED = '        LOOKUP["seen"] = 1\n' + PLAIN
LABELLED = (
    PLAIN + '\n        image = image + np.asarray(data_dict["data"]["label"]).reshape(-1, 1).astype(np.float32) * 0'
)

LEAKY = (
    PLAIN + '\n        if "label" in data_dict["data"]:'
    '\n            image = image / (1 + np.asarray(data_dict["data"]["label"], dtype=np.float32)[:, None])'
)


def write_model(folder: Path, body: str) -> str:
    file = folder / "net.py"
    file.write_text(MODEL.format(body=body))
    return f"{file}:Net"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    settings = {
        "general": {"results_dir": str(folder / "results")},
        "model": {"name": write_model(folder, PLAIN)},
        "train": {"epochs": 1, "seed": 1},
    }
    return train(settings, progress=False)


def model_with_a_label_that_minus_one_stands_for(folder: Path, forward: str) -> str:
    text = MODEL.format(body=PLAIN).replace('.get("label", [])', '.get("label", [-1] * len(image))')
    (folder / "net.py").write_text(
        text.replace("image, _label = batch\n", f"image, label = batch\n        {forward}\n")
    )
    return f"{folder / 'net.py'}:Net"


def test_outputs_that_are_computed_with_a_label_of_training_are_refused(tmp_path: Path) -> None:
    report = check(
        model_with_a_label_that_minus_one_stands_for(tmp_path, "image = image + label[:, None].float()"), graph=True
    )
    assert not report.passed
    (said,) = report.findings[-1].says
    assert "slot 1 holds data/label in training and the same for every row at inference" in said
    assert "Use it in train_step alone; or, where production has it, leave it out of [model] labels" in said


def test_a_label_that_minus_one_stands_for_is_let_be_where_no_output_needs_it(tmp_path: Path) -> None:
    name = model_with_a_label_that_minus_one_stands_for(
        tmp_path, "image = image + label[:, None].float() if self.training else image"
    )
    assert check(name, graph=True).passed


def test_a_sound_function_passes_every_step(tmp_path: Path) -> None:
    report = check(write_model(tmp_path, PLAIN))
    assert report.passed
    assert [finding.step for finding in report.findings] == ["capture", "proof", "lowering"]
    assert "reads data/image" in report.to_text()
    assert json.loads(report.to_json())["passed"] is True


def test_what_cannot_be_carried_is_refused_with_its_line(tmp_path: Path) -> None:
    report = check(write_model(tmp_path, UNCARRIED))
    assert not report.passed
    assert report.findings[-1].step == "capture"
    assert "LOOKUP" in report.to_text()
    assert "net.py:" in report.to_text()


def test_rows_that_touch_one_another_are_refused_unless_declared_joint(tmp_path: Path) -> None:
    target = write_model(tmp_path, COUPLED)
    refused = check(target)
    assert not refused.passed
    assert 'batch = "joint"' in refused.to_text()
    assert check(target, None, ['model.batch="joint"']).passed


def test_a_label_that_is_needed_at_inference_is_named_with_the_cure(tmp_path: Path) -> None:
    report = check(write_model(tmp_path, LABELLED))
    assert not report.passed
    assert 'data.get("label", [])' in report.to_text()


def test_an_error_that_labels_do_not_cure_is_told_as_it_is_with_its_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = check(write_model(tmp_path, PLAIN + '\n        raise ValueError("no")')).to_text()
    assert "to_tensor at inference: ValueError: no (net.py:32)" in told
    assert "label" not in told.partition("ValueError")[2]


def test_a_field_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    told = check(write_model(tmp_path, PLAIN.replace('"image"', '"imgae"'))).to_text()
    assert "KeyError: 'imgae'" in told
    assert "the fields are data/image, data/object_id" in told


def test_a_label_that_is_needed_without_being_named_is_told(tmp_path: Path) -> None:
    body = PLAIN + '\n        assert len(data_dict["data"]) > 2'
    told = check(write_model(tmp_path, body)).to_text()
    assert "; where data/label is there it works, and at inference there are no labels" in told


def test_why_it_does_not_lower_is_told_with_the_line_of_the_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    body = PLAIN + "\n        if np.isnan(image).any():\n            raise ValueError('no')"
    report = check(write_model(tmp_path, body))
    assert report.passed
    assert "stays Python text in the bundle: net.py:33: raise: it raises ValueError: no" in report.to_text()


def test_a_label_that_changes_what_training_sees_is_named(tmp_path: Path) -> None:
    report = check(write_model(tmp_path, LEAKY))
    assert not report.passed
    assert "slot 0 is another where data/label is there (" in report.to_text()


def test_an_untrained_model_goes_through_the_gate(tmp_path: Path) -> None:
    report = check(write_model(tmp_path, PLAIN), graph=True)
    assert report.findings[-1].step == "graph"
    assert report.passed


def test_the_text_that_trained_stands_in_the_run_folder_and_in_the_bundle(run: Run, tmp_path: Path) -> None:
    with export(run, tmp_path / "net.hyrax") as bundle:
        assert bundle.source == (run.path / "to_tensor.py").read_text()
        assert bundle.source_sha256 == run.to_tensor_sha256
        assert bundle.manifest.provenance["to_tensor_sha256"] == run.to_tensor_sha256
    assert hashlib.sha256((run.path / "to_tensor.py").read_bytes()).hexdigest() == run.to_tensor_sha256


def test_a_class_that_has_changed_since_is_refused_unless_the_run_s_own_text_is_meant(run: Run, tmp_path: Path) -> None:
    file = Path(run.config.get("model.name").rpartition(":")[0])
    before = file.read_text()
    file.write_text(before.replace("np.float32(SCALE)", "np.float32(255)"))
    try:
        with pytest.raises(StaleTextError, match="--to-tensor run"):
            export(run, tmp_path / "net.hyrax")
        assert not (tmp_path / "net.hyrax").exists()
        with export(run, tmp_path / "net.hyrax", to_tensor="run") as bundle:
            assert bundle.source_sha256 == run.to_tensor_sha256
    finally:
        file.write_text(before)


def test_a_comment_is_no_change(run: Run) -> None:
    file = Path(run.config.get("model.name").rpartition(":")[0])
    before = file.read_text()
    file.write_text(before.replace("import numpy as np\n", "import numpy as np  # the usual name\n"))
    try:
        assert load_trained(run).captured.sha256 == run.to_tensor_sha256
    finally:
        file.write_text(before)


def test_an_edited_text_in_the_run_folder_is_refused(run: Run, tmp_path: Path) -> None:
    file = run.path / "to_tensor.py"
    before = file.read_text()
    file.write_text(before + "# edited\n")
    try:
        with pytest.raises(TrainingError, match="edited after training"):
            export(run, tmp_path / "net.hyrax")
    finally:
        file.write_text(before)


def test_a_coupled_function_is_refused_before_the_first_epoch(tmp_path: Path) -> None:
    settings = {
        "general": {"results_dir": str(tmp_path / "results")},
        "model": {"name": write_model(tmp_path, COUPLED)},
        "train": {"epochs": 1, "seed": 1},
    }
    with pytest.raises(CoupledRowsError, match="joint"):
        train(settings, progress=False)
