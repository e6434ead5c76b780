"""A run that is brought back answers as it did when its weights were written, or it is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
import torch

from hyrax_pack.config import load_config
from hyrax_pack.errors import ChangedSinceError, TrainingError
from hyrax_pack.run import Run, newest_run
from hyrax_pack.run.answers import read_answers
from hyrax_pack.training import train_run
from hyrax_pack.workflow import export, load_trained
from hyrax_pack.workflow.telling import describe_changes
from tests.pack.training.conftest import in_child

MODEL = """
import numpy as np
import torch
from torch import nn

from hyrax_pack import hyrax_model

MEAN = 0.0


class Running:
    def __init__(self):
        self.mean = 0.0


@hyrax_model
class Net(nn.Module):
    count = 0.0

    def __init__(self, config, data_sample):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.drop = nn.Dropout(0.5)
        self.make()

    def make(self):
        pass

    def watch(self, flux):
        pass

    def shift(self):
        return 0.0

    def forward(self, batch):
        return self.layer(batch[0] - self.shift())

    def train_step(self, batch):
        self.watch(batch[0])
        self.optimizer.zero_grad()
        loss = self.criterion(self.forward(batch), batch[1])
        loss.backward()
        self.optimizer.step()
        return {"loss": loss}

    def validate_batch(self, batch):
        return {"loss": self.criterion(self.forward(batch), batch[1])}
# BODY
    @staticmethod
    def to_tensor(data_dict):
        import numpy as np

        data = data_dict["data"]
        return np.asarray(data["flux"]) / np.float32(50), np.asarray(data.get("label", []), dtype=np.int64)
"""

BROUGHT_BACK = {
    "nothing beside the weights": "",
    "a number": """
    def make(self): self.mean = 0.0
    def watch(self, flux): self.mean = 0.9 * self.mean + flux.mean().item()
    def shift(self): return self.mean
""",
    "a tensor": """
    def make(self): self.mean = torch.zeros(3)
    def watch(self, flux): self.mean += flux.mean(0)
    def shift(self): return self.mean
""",
    "a tensor of another shape": """
    def make(self): self.mean = torch.zeros(())
    def watch(self, flux): self.mean = flux.mean(0)
    def shift(self): return self.mean
""",
    "a buffer that is not persistent": """
    def make(self): self.register_buffer("mean", torch.zeros(3), persistent=False)
    def watch(self, flux): self.mean.mul_(0.9).add_(flux.mean(0))
    def shift(self): return self.mean
""",
    "an object": """
    def make(self): self.running = Running()
    def watch(self, flux): self.running.mean += flux.mean().item()
    def shift(self): return self.running.mean
""",
    "the class": """
    def watch(self, flux): type(self).count = type(self).count + flux.mean().item()
    def shift(self): return type(self).count
""",
    "the module": """
    def watch(self, flux):
        global MEAN
        MEAN += flux.mean().item()
    def shift(self): return MEAN
""",
    "a list that is made later": """
    def make(self): self.means = None
    def watch(self, flux): self.means = [*(self.means or []), flux.mean().item()]
    def shift(self): return sum(self.means or [0.0])
""",
    "a method called load that is another thing": """
    def load(self, name):
        return torch.load(name)
""",
    "its own format": """
    def make(self): self.mean = 0.0
    def watch(self, flux): self.mean += flux.mean().item()
    def shift(self): return self.mean
    def save(self, path): torch.save({"layer": self.layer.state_dict(), "mean": self.mean}, path)
    def load(self, path):
        found = torch.load(path, weights_only=True)
        self.layer.load_state_dict(found["layer"])
        self.mean = found["mean"]
""",
    "a file with an ending of its own": """
    def save(self, path): np.savez(path, w=self.layer.weight.detach().numpy(), b=self.layer.bias.detach().numpy())
    def load(self, path):
        found = np.load(path)
        self.layer.weight.data, self.layer.bias.data = torch.from_numpy(found["w"]), torch.from_numpy(found["b"])
""",
}
REFUSED = {
    "a load that does not load": """
    def save(self, path): torch.save(self.state_dict(), path)
    def load(self, path): return torch.load(path, weights_only=True)
""",
    "a closure": """
    def make(self): self.shift = lambda: 0.0
    def watch(self, flux):
        mean = flux.mean().item()
        self.shift = lambda: mean
""",
    "an iterator": """
    def make(self): self.means = iter([0.0] * 2 + [1.0, 2.0, 3.0] * 9)
    def watch(self, flux): next(self.means)
    def shift(self): return next(self.means)
""",
}


class Project:
    """A folder with a class and its rows; it is trained in a process of its own, and brought back in this one."""

    def __init__(self, folder: Path) -> None:
        self.model, self.rows, self.results = folder / "net.py", folder / "rows.npz", folder / "results"
        self.write_rows()

    def write_rows(self, change: Callable[[Any], Any] = lambda flux: flux) -> None:
        random = np.random.default_rng(5)
        flux, label = random.uniform(1, 90, (60, 3)).astype("f4"), random.integers(0, 2, 60)
        np.savez(self.rows, flux=change(flux), label=label, object_id=np.arange(60) + 7000)

    def write(self, body: str = "") -> None:
        self.model.write_text(MODEL.replace("# BODY", body))

    def train(self, **more: Any) -> Run:
        settings = {
            "general": {"results_dir": str(self.results)},
            "model": {"name": f"{self.model}:Net"},
            "train": {"epochs": 3, "seed": 1, "device": "cpu"},
            "data_loader": {"batch_size": 12},
            "data_request": {"train": {"data": {"dataset_class": "NpzDataset", "data_location": str(self.rows)}}},
            "split": {"train": 0.6, "validate": 0.4},
            **more,
        }
        config = load_config(tables=settings)
        assert in_child(lambda: train_run(config, progress=False, track=False)) == 0
        return newest_run(self.results)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    torch.set_num_threads(1)
    return Project(tmp_path)


@pytest.mark.parametrize("which", ["best", "last"])
@pytest.mark.parametrize("place", BROUGHT_BACK)
def test_a_model_answers_as_in_training_wherever_it_keeps_what_it_learned(
    project: Project, place: str, which: Any
) -> None:
    project.write(BROUGHT_BACK[place])
    run = project.train()
    trained = load_trained(run, weights=which)
    assert trained.weights is not None and trained.weights.metric == "validation/loss"
    group = trained.provider.group("validate")
    with torch.no_grad():
        found = trained.model.validate_batch(trained.batch(group.data_dict(range(len(group)))))
    assert float(found["loss"]) == pytest.approx(trained.weights.score, rel=1e-5)


@pytest.mark.parametrize("place", REFUSED)
def test_a_model_that_answers_otherwise_is_refused_unless_that_is_accepted(
    project: Project, capfd: pytest.CaptureFixture[str], tmp_path: Path, place: str
) -> None:
    project.write(REFUSED[place])
    run = project.train()
    with pytest.raises(
        ChangedSinceError, match=r"(?s)the answers: output_0 differs by .* at a scale of .*--accept answers"
    ):
        load_trained(run)
    said = capfd.readouterr().err
    assert "export will refuse this run" in said or "Their state cannot be saved" in said
    assert load_trained(run, accept=["answers"]).figures == {}


def test_the_causes_name_what_could_not_be_put_back(project: Project) -> None:
    project.write("""
    def make(self): self.average = None
    def watch(self, flux): self.average = torch.Generator().manual_seed(4)
    def shift(self):
        return 0.0 if self.average is None else float(torch.rand((), generator=self.average))
""")
    run = project.train()
    with pytest.raises(
        ChangedSinceError, match=r"Likely causes: average: a torch\.Generator that was made after __init__"
    ):
        load_trained(run)


def test_inference_that_fails_is_said_before_the_first_epoch_and_does_not_end_the_run(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    project.write("""
    def infer_batch(self, batch):
        return self.layer(batch[2])
""")
    run = project.train()
    lines = capfd.readouterr().err.splitlines()
    words = "Inference does not answer, so export will fail: Net.infer_batch: IndexError: tuple index out of range ("
    (at,) = [at for at, line in enumerate(lines) if line.startswith(words)]
    assert at < next(at for at, line in enumerate(lines) if line.startswith("epoch 1/3"))
    assert run.facts["state"] == "finished"
    assert read_answers(run.path / "weights.answers.pt").failure is not None
    load_trained(run)


def test_answers_that_are_missing_or_edited_are_refused(project: Project) -> None:
    project.write()
    run = project.train()
    file = run.path / "weights.answers.pt"
    content = torch.load(file, weights_only=True)
    content["outputs"]["output_0"] += 1
    torch.save(content, file)
    with pytest.raises(TrainingError, match=r"weights\.answers\.pt: not the file that training wrote"):
        load_trained(run)
    file.unlink()
    with pytest.raises(TrainingError, match=r"weights\.answers\.pt: no such file"):
        load_trained(run)


def test_a_kill_between_answers_and_weights_leaves_weights_with_their_answers(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write()
    run = project.train()
    answers, weights = run.path / "weights.answers.pt", run.path / "weights.pt"
    answers.rename(answers.with_name("weights.answers.pt.before"))
    content = torch.load(run.path / "last.answers.pt", weights_only=True)
    torch.save({**content, "weights_sha256": "of weights that never took their place"}, answers)
    assert load_trained(run).weights == run.facts_of(weights)


def test_a_text_that_makes_other_tensors_of_the_same_rows_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of a library that the text calls."""
    project.write()
    text = project.model.read_text().replace(
        'np.asarray(data["flux"]) / np.float32(50)', 'special.log1p(np.asarray(data["flux"]))'
    )
    text = text.replace(
        "        import numpy as np\n", "        import numpy as np\n        from scipy import special\n"
    )
    project.model.write_text(text)
    run = project.train(model={"name": f"{project.model}:Net", "requires": ["scipy"]})
    assert load_trained(run).run == run
    assert run.facts["requirements"]["scipy"] == scipy.__version__
    monkeypatch.setattr(scipy.special, "log1p", lambda flux: np.log1p(flux) * np.float32(1.001))
    with pytest.raises(
        ChangedSinceError, match=r"(?s)the tensors: slot 0 differs by .*a library that it uses has another"
    ):
        load_trained(run)
    assert any("tensors: slot 0 differs" in change for change in load_trained(run, accept=["answers"]).accepted)


def test_other_data_is_said_and_not_taken_for_another_text(project: Project) -> None:
    project.write()
    run = project.train()
    project.write_rows(lambda flux: flux * 2)
    assert any("data/flux has other values" in line for line in describe_changes(load_trained(run)))


def test_a_bundle_proven_on_rows_that_training_saw_does_not_call_them_held_out(
    project: Project, tmp_path: Path
) -> None:
    project.write()
    run = project.train(split={"train": 0.9, "validate": 0.1})
    said: list[str] = []
    with export(run, tmp_path / "net.hyrax", say=said.append) as bundle:
        assert (bundle.manifest.parity or {})["held_out"] is False
    assert any(
        "only 6 rows of validate are held out: the proof is made with rows that training saw" in line for line in said
    )


def test_an_unfinished_run_says_so(project: Project, tmp_path: Path) -> None:
    project.write()
    run = project.train()
    run.note({"state": "running"})
    said: list[str] = []
    with export(run, tmp_path / "net.hyrax", say=said.append):
        assert any("the run is killed: 3 of 3 epochs are done" in line for line in said)
