"""Run folders that Hyrax wrote, of several ages, become bundles; the file of rows stands in for the data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hyrax_runtime.loading import load
from torch import nn

from hyrax_pack.errors import ConfigError, DataError, HyraxError, TrainingError, UsageError
from hyrax_pack.workflow.adopting import adopt, export_folder
from hyrax_pack.workflow.upstream_run import is_upstream_run

MODEL = """
import torch
from torch import nn
from hyrax.models import hyrax_model


@hyrax_model
class Cutouts(nn.Module):
    def __init__(self, config, data_sample):
        super().__init__()
        self.config = config
        image = data_sample[0]
        self.first = nn.Linear(image[0].numel(), config["model"]["Cutouts"]["width"])
        self.head = nn.Linear(config["model"]["Cutouts"]["width"], 3)

    def forward(self, batch):
        image, label = batch
        return self.head(torch.relu(self.first(image.flatten(1))))

    def infer_batch(self, batch):
        image, label = batch
        return torch.relu(self.first(image.flatten(1)))

    def train_step(self, batch):
        return {"loss": 0.0}

    @staticmethod
    def prepare_inputs(data_dict):
        raise NotImplementedError("the run's own text is what counts")
"""
PREPARE = """@staticmethod
def prepare_inputs(data_dict):
    import numpy as np
    data = data_dict["data"]
    image = np.asarray(data["image"], dtype=np.float32) / 255
    return image, data.get("label", np.array([]))
"""
SETTINGS = """
[general]
dev_mode = false
data_dir = "./data"
results_dir = "./results"

[download]
sw = "22asec"
filter = ["HSC-G", "HSC-R"]

[model]
name = "cutouts.py:Cutouts"

[model.Cutouts]
width = 16

[criterion]
name = "torch.nn.CrossEntropyLoss"
band_loss_reduction = "mean"

[optimizer]
name = "torch.optim.SGD"

["torch.optim.SGD"]
lr = 0.01

[train]
weights_filename = "example_model.pth"
epochs = 10
resume = false

[data_request.train.data]
dataset_class = "HyraxRandomDataset"
data_location = "./data"

[umap.UMAP]
n_components = 2
"""
WIDTH = 16
Make = Callable[..., Path]


def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    first, head = nn.Linear(24, WIDTH), nn.Linear(WIDTH, 3)
    return {
        **{f"first.{name}": value for name, value in first.state_dict().items()},
        **{f"head.{name}": value for name, value in head.state_dict().items()},
    }


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder: the model's file, and some rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "store"))
    (tmp_path / "cutouts.py").write_text(MODEL)
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "rows.npz",
        image=rng.integers(0, 256, (50, 2, 3, 4)).astype(np.uint16),
        label=rng.integers(0, 3, 50),
        object_id=np.array([f"star {number}" for number in range(50)]),
    )
    return tmp_path


@pytest.fixture
def make(folder: Path) -> Make:
    """Write a run folder."""

    def make(
        settings: str = SETTINGS,
        weights: dict[str, Any] | None = None,
        weights_name: str = "example_model.pth",
        function_name: str | None = "prepare_inputs.py",
        function: str = PREPARE,
    ) -> Path:
        run = folder / "20260101-120000-train-abcd"
        run.mkdir()
        (run / "runtime_config.toml").write_text(settings)
        torch.save(state() if weights is None else weights, run / weights_name)
        if function_name is not None:
            (run / function_name).write_text(function)
        return run

    return make


def predicted(path: str, images: Any) -> Any:
    with load(path) as predictor:
        return predictor.predict({"data": {"image": images}})["output_0"]


def wanted(images: Any) -> Any:
    weights = {name: value.numpy() for name, value in state().items()}
    flat = (images.astype(np.float32) / 255).reshape(len(images), -1)
    return np.maximum(flat @ weights["first.weight"].T + weights["first.bias"], 0)


def test_a_run_becomes_a_bundle_that_answers_as_infer_batch_does(make: Make, folder: Path) -> None:
    said: list[str] = []
    bundle = adopt(make(), "cutouts.hyrax", golden="rows.npz", say=said.append)
    images = np.load(folder / "rows.npz")["image"][:5]
    assert np.allclose(predicted("cutouts.hyrax", images), wanted(images), atol=1e-5)
    assert bundle.manifest.name == "Cutouts"
    assert bundle.manifest.provenance["run"] == "20260101-120000-train-abcd"
    assert bundle.manifest.provenance["framework"] == "hyrax"
    assert [field.form for field in bundle.contract.read] == ["stacked"]
    assert "/ 255" in str(bundle.source)
    assert bundle.manifest.preprocessing.slots[1].kind == "empty"


def test_an_older_run_with_to_tensor_is_called_with_lists(make: Make) -> None:
    run = make(function_name="to_tensor.py", function=PREPARE.replace("prepare_inputs", "to_tensor"))
    assert [field.form for field in adopt(run, "old.hyrax", golden="rows.npz").contract.read] == ["list"]


def test_a_function_saved_under_its_own_name_is_found(make: Make) -> None:
    run = make(function=PREPARE.replace("def prepare_inputs", "def my_function"))
    assert "def to_tensor" in str(adopt(run, "named.hyrax", golden="rows.npz").source)


def test_a_run_that_saved_no_function_uses_the_classs_own_and_says_so(make: Make, folder: Path) -> None:
    text = MODEL[: MODEL.index("    @staticmethod")] + "".join(f"    {line}\n" for line in PREPARE.splitlines())
    (folder / "cutouts.py").write_text(text)
    said: list[str] = []
    adopt(make(function_name=None), "own.hyrax", golden="rows.npz", say=said.append)
    assert any("saved no function" in line for line in said)


@pytest.mark.parametrize(
    "weights",
    [
        pytest.param({"model": state(), "trainer": {"epoch": 3}}, id="with the trainer's state"),
        pytest.param({f"module.{name}": value for name, value in state().items()}, id="of a parallel run"),
        pytest.param(state(), id="of the model alone"),
    ],
)
def test_a_checkpoint_serves_where_no_weights_were_saved(make: Make, folder: Path, weights: dict[str, Any]) -> None:
    run = make(weights=weights, weights_name="checkpoint_epoch_10.pt")
    torch.save({"first.weight": torch.zeros(1)}, run / "checkpoint_epoch_9.pt")
    adopt(run, "checkpoint.hyrax", golden="rows.npz")
    images = np.load(folder / "rows.npz")["image"][:3]
    assert np.allclose(predicted("checkpoint.hyrax", images), wanted(images), atol=1e-5)


def test_older_names_of_settings_are_understood(make: Make) -> None:
    settings = SETTINGS.replace("weights_filename", "weights_filepath").replace("data_request.train", "model_inputs")
    adopt(make(settings), "older.hyrax", golden="rows.npz")


def test_a_class_that_has_moved_can_be_named(make: Make) -> None:
    run = make(SETTINGS.replace("cutouts.py:Cutouts", "gone.models.Cutouts"))
    with pytest.raises(HyraxError, match="gone"):
        adopt(run, "moved.hyrax", golden="rows.npz")
    adopt(run, "moved.hyrax", golden="rows.npz", model="cutouts.py:Cutouts")


def test_without_its_data_set_the_cure_is_named(make: Make) -> None:
    with pytest.raises(DataError, match=r"data set cannot be opened here.*--golden rows.npz"):
        adopt(make(), "none.hyrax")


def test_the_runs_own_data_set_is_used_where_it_is_at_hand(make: Make) -> None:
    settings = SETTINGS.replace("HyraxRandomDataset", "NpzDataset").replace(
        'data_location = "./data"', 'data_location = "rows.npz"'
    )
    assert adopt(make(settings), "own_data.hyrax").manifest.golden.rows >= 8


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        pytest.param(
            {"weights": {"first.weight": torch.zeros(2)}}, TrainingError, "not the weights of Cutouts", id="others"
        ),
        pytest.param(
            {"weights_name": "other.bin"}, TrainingError, "neither example_model.pth nor a checkpoint", id="none"
        ),
        pytest.param({"settings": "[model"}, ConfigError, "runtime_config.toml", id="settings that are no TOML"),
        pytest.param({"settings": "[train]"}, ConfigError, "model.name", id="settings without a model"),
        pytest.param({"function": "import os\n"}, HyraxError, "holds no function", id="a file without a function"),
    ],
)
def test_what_does_not_fit_is_named_and_leaves_no_file(
    make: Make, folder: Path, changes: dict[str, Any], error: type[HyraxError], says: str
) -> None:
    with pytest.raises(error, match=says):
        adopt(make(**changes), "wrong.hyrax", golden="rows.npz")
    assert not list(folder.glob("*.hyrax"))


def test_a_folder_of_hyrax_is_told_from_one_of_ours(make: Make, folder: Path) -> None:
    run = make()
    assert is_upstream_run(run)
    (run / "run.json").write_text("{}")
    assert not is_upstream_run(run)
    assert not is_upstream_run(folder)


def test_a_relative_path_leads_to_the_saved_function_too(make: Make, folder: Path) -> None:
    run = make().relative_to(folder)
    assert "/ 255" in str(adopt(run, "relative.hyrax", golden="rows.npz").source)


JOINT = """
[model]
batch = "joint"
outputs = ["features"]
requires = ["math"]
"""


def test_what_a_run_says_under_model_in_our_words_holds(make: Make) -> None:
    settings = SETTINGS.replace("[model]\n", JOINT.lstrip())
    bundle = adopt(make(settings), "said.hyrax", golden="rows.npz")
    assert bundle.contract.batch == "joint"
    assert [output.name for output in bundle.manifest.outputs] == ["features"]


def test_classes_of_a_run_are_in_the_bundle(make: Make) -> None:
    names = [f"feature {number}" for number in range(WIDTH)]
    bundle = adopt(make(SETTINGS.replace("[model]\n", f"[model]\nclasses = {names}\n")), "c.hyrax", golden="rows.npz")
    assert bundle.manifest.outputs[0].classes == tuple(names)


def test_a_word_of_ours_that_is_misspelt_in_a_run_is_refused(make: Make) -> None:
    with pytest.raises(ConfigError, match="batch"):
        adopt(make(SETTINGS.replace("[model]\n", '[model]\nbatch = "jiont"\n')), "wrong.hyrax", golden="rows.npz")


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"weights": "last"}, "leave --last out"),
        ({"to_tensor": "run"}, "leave --to-tensor run out"),
        ({"accept": ["code"]}, "leave --accept out"),
    ],
)
def test_an_option_that_a_run_of_hyrax_has_no_use_for_is_refused(make: Make, option: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        export_folder(make(), "out.hyrax", golden="rows.npz", **option)
