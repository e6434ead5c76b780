"""A run whose class stood in a script or a notebook is brought back, or says where to export it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyrax_pack.errors import TrainingError
from hyrax_pack.run import Run, newest_run
from hyrax_pack.workflow import load_trained

SCRIPT = """
import numpy as np
from torch import nn

from hyrax_pack import hyrax_model, train
from hyrax_pack.data.datasets.digits import DigitsDataset


@hyrax_model
class InScript(nn.Module):
    def __init__(self, config, data_sample):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, batch):
        return self.layer(batch[0])

    def train_step(self, batch):
        self.optimizer.zero_grad()
        loss = self.criterion(self.forward(batch), batch[1])
        loss.backward()
        self.optimizer.step()
        return {"loss": loss}

    @staticmethod
    def to_tensor(data_dict):
        data = data_dict["data"]
        return np.asarray(data["image"]).reshape(len(data["image"]), -1), np.asarray(data.get("label", []))


class DigitsOfTheScript(DigitsDataset):
    pass


DATA = {"data_request": {"train": {"data": {"dataset_class": "DigitsOfTheScript"}}}}


"""
CALL = 'train({"model": {"name": "InScript"}, "train": {"epochs": 1, "device": "cpu"}, **DATA})\n'


def run_script(folder: Path, name: str, *, guarded: bool) -> Run:
    text = SCRIPT + ('if __name__ == "__main__":\n    ' if guarded else "") + CALL
    (folder / "script.py").write_text(text.replace("InScript", name))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "script.py"], cwd=folder, env=environment, check=True, capture_output=True)
    return newest_run(folder / "results")


def test_a_class_of_a_script_is_found_in_its_file_and_the_data_set_beside_it(tmp_path: Path) -> None:
    trained = load_trained(run_script(tmp_path, "InScript", guarded=True))
    assert trained.spec.name == "InScript"
    assert trained.provider.group("train").data_dict([0])["data"]["image"]
    assert trained.figures


def test_a_script_that_would_run_is_not_imported(tmp_path: Path) -> None:
    run = run_script(tmp_path, "InOpenScript", guarded=False)
    with pytest.raises(TrainingError, match=r"importing that would run its line 38\. Export there: hyrax_pack\.export"):
        load_trained(run)


def test_a_class_of_a_notebook_says_to_export_there(tmp_path: Path) -> None:
    run = run_script(tmp_path, "InNotebook", guarded=True)
    run.note({"class_from": {"name": "InNotebook"}})
    (tmp_path / "script.py").unlink()
    with pytest.raises(
        TrainingError, match=r"InNotebook was defined in a notebook\. Export there: hyrax_pack\.export\("
    ):
        load_trained(run)


def test_a_run_of_a_script_goes_on_by_the_command_that_an_interruption_names(tmp_path: Path) -> None:
    said = []
    for name, guarded in (("InScript", True), ("InOpenScript", False)):
        run = run_script(tmp_path, name, guarded=guarded)
        run.note({"state": "interrupted"})
        command = [sys.executable, "-m", "hyrax_pack.cli", "train", "--resume", str(run.path)]
        said.append(subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True))
    assert [each.returncode for each in said] == [0, 1]
    assert "would run its line 38. Go on there: hyrax_pack.train(None, resume=" in said[1].stderr
