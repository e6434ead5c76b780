"""What was trained is what ships, and what is gone on with: other code, weights or data are named, never taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyrax_pack.config import load_config
from hyrax_pack.errors import ChangedSinceError, DataError, TrainingError
from hyrax_pack.run import Run
from hyrax_pack.training import train_run
from hyrax_pack.workflow import export, load_trained

MODEL = """
from pathlib import Path

import torch
from torch import nn

from hyrax_pack import hyrax_model


@hyrax_model
class Net(nn.Module):
    def __init__(self, config, data_sample):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.epochs = -1

    def forward(self, batch):
        return self.layer(batch[0])

    def train_step(self, batch):
        self.optimizer.zero_grad()
        loss = self.criterion(self.forward(batch), batch[1])
        loss.backward()
        self.optimizer.step()
        return {"loss": loss}

    def log_epoch_metrics(self):
        return {"disk": float(Path(__file__).with_name("disk").read_text()) if self.epochs else 1.0}

    def train_post_epoch(self):
        self.epochs += 1

    @staticmethod
    def to_tensor(data_dict):
        import numpy as np

        data = data_dict["data"]
        return np.asarray(data["flux"]) / np.float32(50), np.asarray(data.get("label", []), dtype=np.int64)
"""


class Project:
    """A folder with a class, its rows, and a way to train it."""

    def __init__(self, folder: Path) -> None:
        self.model, self.rows, self.results = folder / "net.py", folder / "rows.npz", folder / "results"
        self.model.write_text(MODEL)
        self.disk = folder / "disk"
        self.disk.write_text("1")
        self.write_rows()

    def write_rows(self, change: Callable[[Any], Any] = lambda flux: flux, rows: int = 120) -> None:
        random = np.random.default_rng(5)
        flux, label = random.uniform(1, 90, (200, 3)).astype("f4"), random.integers(0, 2, 200)
        np.savez(self.rows, flux=change(flux)[:rows], label=label[:rows], object_id=np.arange(rows) + 7000)

    def edit(self, old: str, new: str) -> None:
        text = self.model.read_text()
        assert text.count(old) == 1
        self.model.write_text(text.replace(old, new))

    def train(
        self,
        epochs: int = 2,
        optimizer: dict[str, Any] | None = None,
        model: dict[str, Any] | None = None,
        data_request: dict[str, Any] | None = None,
        **more: Any,
    ) -> Run:
        request = {"dataset_class": "NpzDataset", "data_location": str(self.rows)}
        settings = {
            "general": {"results_dir": str(self.results)},
            "model": {"name": f"{self.model}:Net", **(model or {})},
            "train": {"epochs": epochs, "seed": 1, "device": "cpu"},
            "data_request": {"train": {"data": request}, **(data_request or {})},
            "split": {"train": 0.6, "validate": 0.4},
            "optimizer": optimizer or {},
        }
        return train_run(load_config(tables=settings), progress=False, track=False, **more)

    def stopped(self) -> Run:
        """A run that failed in its second epoch, for a cause that has gone."""
        self.disk.unlink()
        with pytest.raises(TrainingError, match="No such file"):
            self.train()
        self.disk.write_text("1")
        (folder,) = [path for path in self.results.iterdir() if (path / "run.json").is_file()]
        return Run(folder)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


FORWARD = ("return self.layer(batch[0])", "return self.layer(batch[0] * 2)")
STEP = ("        loss.backward()", "        (loss * 2).backward()")


def test_a_changed_forward_is_refused_with_its_line_and_ships_only_when_accepted(
    project: Project, tmp_path: Path
) -> None:
    run = project.train()
    project.edit(*FORWARD)
    with pytest.raises(ChangedSinceError) as caught:
        export(run, tmp_path / "net.hyrax")
    assert str(caught.value).splitlines() == [
        f"{run.path}: the code: Net.forward (net.py:17) has changed: was `{FORWARD[0]}`, is `{FORWARD[1]}`",
        "Put it back, or train again; to export the code as it is now, without the run's figures: --accept code",
    ]
    assert not (tmp_path / "net.hyrax").exists()
    said: list[str] = []
    with export(run, tmp_path / "net.hyrax", accept=["code"], say=said.append) as bundle:
        change, answers = bundle.manifest.provenance["accepted_changes"]
        assert answers.startswith("answers: output_0 differs by ")
        assert change.startswith("code: Net.forward (net.py:17) has changed") and any(change in line for line in said)
        assert bundle.manifest.metrics == {}


def test_a_changed_train_step_does_not_stand_in_the_way_of_export(project: Project, tmp_path: Path) -> None:
    run = project.train()
    project.edit(*STEP)
    with export(run, tmp_path / "net.hyrax") as bundle:
        assert "accepted_changes" not in bundle.manifest.provenance and "validation/loss" in bundle.manifest.metrics
        assert bundle.manifest.provenance["code_sha256"] == load_trained(run).code_sha256


@pytest.mark.parametrize("which", ["best", "last"])
def test_edited_weights_are_refused(project: Project, tmp_path: Path, which: Any) -> None:
    import torch

    run = project.train()
    state = run.load_state(which)
    state["layer.bias"] += 1
    torch.save(state, run.weights(which))
    with pytest.raises(ChangedSinceError, match=r"is not the file that training wrote\n.*--accept weights"):
        export(run, tmp_path / "net.hyrax", weights=which)
    with export(run, tmp_path / "net.hyrax", weights=which, accept=["weights"]) as bundle:
        assert "not the file that training wrote" in bundle.manifest.provenance["accepted_changes"][0]
        assert bundle.manifest.metrics == {}


@pytest.mark.parametrize("which", ["best", "last"])
def test_the_figures_of_a_bundle_are_those_of_its_own_weights(project: Project, tmp_path: Path, which: Any) -> None:
    run = project.train(epochs=4, optimizer={"name": "torch.optim.SGD", "lr": 400.0})  # so fast that the last is worse
    losses = [record["validation/loss"] for record in run.metrics() if "validation/loss" in record]
    assert min(losses) < losses[-1]
    said: list[str] = []
    with export(run, tmp_path / "net.hyrax", weights=which, say=said.append) as bundle:
        loss = losses[-1] if which == "last" else min(losses)
        assert bundle.manifest.metrics == {"validation/loss": loss}
        assert bundle.manifest.provenance["epoch"] == losses.index(loss) + 1
    assert any(f"weights of epoch {losses.index(loss) + 1}, validation/loss {loss:.4g}" in line for line in said)


def test_the_contract_is_what_training_saw_and_not_what_the_file_holds_later(project: Project, tmp_path: Path) -> None:
    run = project.train()
    project.write_rows(lambda flux: flux * 1000)
    said: list[str] = []
    with export(run, tmp_path / "net.hyrax", say=said.append) as bundle:
        (flux,) = [field for field in bundle.contract.fields if field.path == "data/flux"]
        assert flux.greatest is not None and flux.greatest < 91
    assert any("the data is not what trained: train: data/flux has other values" in line for line in said)


def test_a_field_of_another_dtype_than_in_training_is_refused(project: Project, tmp_path: Path) -> None:
    run = project.train()
    project.write_rows(lambda flux: flux.astype("f8"))
    words = "data/flux: dtype float64 in the rows to prove with, float32 in those of training"
    with pytest.raises(DataError, match=words):
        export(run, tmp_path / "net.hyrax")
    assert not (tmp_path / "net.hyrax").exists()


@pytest.mark.parametrize("change", [FORWARD, STEP], ids=["forward", "train_step"])
def test_a_run_does_not_go_on_with_other_code_unless_it_is_accepted(project: Project, change: tuple[str, str]) -> None:
    run = project.stopped()
    project.edit(*change)
    name = "Net.forward" if change is FORWARD else "Net.train_step"
    with pytest.raises(ChangedSinceError, match=rf"(?s)the code: .*{name} .*--accept code") as caught:
        train_run(None, resume=run.path, progress=False, track=False)
    assert caught.value.what == "code"
    train_run(None, resume=run.path, accept=["code"], progress=False, track=False)
    assert any(line.startswith(f"code: {name}") for line in run.facts["accepted"])


@pytest.mark.parametrize(
    ("change", "rows", "words"),
    [
        pytest.param(lambda flux: flux * 2, 120, "train: data/flux has other values", id="another unit"),
        pytest.param(lambda flux: flux[::-1], 120, "train: data/flux has other values", id="another order"),
        pytest.param(lambda flux: flux, 130, "train has 78 rows, not 72", id="more rows"),
    ],
)
def test_a_run_does_not_go_on_with_other_data_unless_it_is_accepted(
    project: Project, change: Any, rows: int, words: str
) -> None:
    run = project.stopped()
    project.write_rows(change, rows)
    with pytest.raises(ChangedSinceError, match=words) as caught:
        train_run(None, resume=run.path, accept=["code"], progress=False, track=False)
    assert caught.value.what == "data"
