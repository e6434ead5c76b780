"""The main job: one class, trained, exported, proven, and run where torch cannot be imported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.e2e.conftest import Command

MODEL = '''
import torch
from torch import nn

from hyrax_pack import hyrax_model


@hyrax_model
class Classifier(nn.Module):
    """Fluxes in two bands and a magnitude error to one of three classes."""

    def __init__(self, config, data_sample):
        super().__init__()
        features, _label = data_sample
        self.layers = nn.Sequential(nn.Linear(features.shape[1], 16), nn.Tanh(), nn.Linear(16, 3))

    def forward(self, batch):
        features, _label = batch
        return self.layers(features)

    def train_step(self, batch):
        _features, label = batch
        self.optimizer.zero_grad()
        losses = nn.functional.cross_entropy(self.forward(batch), label, reduction="none")
        losses.mean().backward()
        self.optimizer.step()
        return {"loss": losses.tolist(), "greatest": losses.max().item()}

    @staticmethod
    def to_tensor(data_dict):
        import numpy as np

        data = data_dict["data"]
        flux = np.stack([np.asarray(data["flux_g"]), np.asarray(data["flux_r"])], axis=1)
        error = np.asarray(data["magerr"], dtype=np.float32)[:, None]
        # Asinh magnitudes: linear where the sky dominates.
        features = np.concatenate([np.arcsinh(flux / np.float32(50.0)), error], axis=1)
        return features.astype(np.float32), np.asarray(data.get("label", []), dtype=np.int64)
'''

SETTINGS = """
[general]
results_dir = "results"

[model]
name = "classifier.py:Classifier"

[data_request.train.data]
dataset_class = "NpzDataset"
data_location = "sources.npz"
fields = ["flux_g", "flux_r", "magerr", "label"]
primary_id_field = "object_id"

[optimizer]
name = "torch.optim.Adam"
lr = 0.01

[train]
epochs = 3
seed = 1

[data_loader]
batch_size = 32
"""


@pytest.fixture(scope="module")
def sources() -> dict[str, NDArray[np.generic]]:
    rng = np.random.default_rng(3)
    label = rng.integers(0, 3, 300)
    return {
        "flux_g": (rng.lognormal(3, 1, 300) * (1 + label)).astype(np.float32),
        "flux_r": rng.lognormal(4, 1, 300).astype(np.float32),
        "magerr": rng.uniform(0, 0.2, 300).astype(np.float64),
        "label": label.astype(np.int64),
        "object_id": np.arange(1000, 1300),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sources: dict[str, NDArray[np.generic]], command: Command) -> Path:
    """A user's folder after `train` and `export`."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "classifier.py").write_text(MODEL)
    (folder / "settings.toml").write_text(SETTINGS)
    np.savez(folder / "sources.npz", **sources)  # type: ignore[arg-type]
    np.savez(folder / "tonight.npz", **{key: values[:50] for key, values in sources.items() if key != "label"})  # type: ignore[arg-type]
    np.savez(folder / "holes.npz", **{**sources, "flux_g": np.full(300, np.nan, np.float32)})  # type: ignore[arg-type]
    trained = command("hyrax-pack train -c settings.toml", folder)
    assert Path(trained.stdout.splitlines()[-1]).is_absolute()
    command("hyrax-pack export classifier.hyrax", folder)
    command("hyrax-pack export text.hyrax --lower off", folder)
    return folder


def test_the_bundle_predicts_what_torch_predicts_where_torch_cannot_be_imported(
    folder: Path, sources: dict[str, NDArray[np.generic]], command: Command
) -> None:
    command("hyrax-run predict classifier.hyrax tonight.npz -o scores.npz", folder)
    predicted = np.load(folder / "scores.npz")
    assert predicted["object_id"].tolist() == sources["object_id"][:50].tolist()

    import torch

    run = next(path for path in (folder / "results").iterdir() if (path / "weights.pt").exists())
    state = torch.load(run / "weights.pt", weights_only=True, map_location="cpu")
    flux = np.stack([sources["flux_g"][:50], sources["flux_r"][:50]], axis=1)
    features = np.concatenate([np.arcsinh(flux / np.float32(50)), sources["magerr"][:50, None].astype("f4")], axis=1)
    layers = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3))
    layers.load_state_dict({key.removeprefix("layers."): value for key, value in state.items()})
    with torch.no_grad():
        wanted = layers(torch.from_numpy(features.astype(np.float32))).numpy()
    np.testing.assert_allclose(predicted["output_0"], wanted, rtol=1e-5, atol=1e-6)


def test_the_bundle_proves_itself_without_a_flag_to_the_user_who_exported_it(folder: Path, command: Command) -> None:
    report = command("hyrax-run verify classifier.hyrax", folder).stdout
    for stage in ("to_tensor", "graph"):
        assert stage in report


def test_another_user_is_asked_to_trust_python_and_never_a_graph(
    folder: Path, home: dict[str, str], command: Command, tmp_path: Path
) -> None:
    before = home["XDG_DATA_HOME"]
    home["XDG_DATA_HOME"] = str(tmp_path)
    try:
        refused = command("hyrax-run verify text.hyrax", folder, expect=1)
        command("hyrax-run verify classifier.hyrax", folder)  # as a graph it needs no trust in code
    finally:
        home["XDG_DATA_HOME"] = before
    assert "hyrax-run trust" in refused.stderr
    assert "--trust sha256:" in refused.stderr


def test_the_packer_carries_the_commands_of_the_runtime(folder: Path, command: Command) -> None:
    ours = command("hyrax-pack inspect classifier.hyrax --json", folder).stdout
    assert ours == command("hyrax-run inspect classifier.hyrax --json", folder).stdout


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        pytest.param("hyrax-pack train -c nowhere.toml", 2, ["nowhere.toml"], id="configuration that is not there"),
        pytest.param(
            "hyrax-pack train -c settings.toml --set train.epoch=3", 2, ["train.epoch", "epochs"], id="misspelt key"
        ),
        pytest.param(
            "hyrax-pack train -c settings.toml --set data_request.train.data.data_location=holes.npz",
            1,
            ["loss", "NaN"],
            id="loss that is not a number",
        ),
        pytest.param("hyrax-run verify sources.npz", 1, ["sources.npz"], id="a file that is no bundle"),
        pytest.param("hyrax-run verify nowhere.hyrax", 1, ["nowhere.hyrax"], id="a bundle that is not there"),
        pytest.param("hyrax-run predict classifier.hyrax settings.toml -o x.npz", 1, ["settings.toml"], id="no table"),
        pytest.param("hyrax-pack export x.hyrax --run nowhere", 1, ["nowhere"], id="a run that is not there"),
        pytest.param("hyrax-pack export nowhere/x.hyrax", 1, ["nowhere"], id="a folder that is not there"),
    ],
)
def test_a_mistake_gets_one_line_that_names_it(
    folder: Path, command: Command, line: str, code: int, words: list[str]
) -> None:
    said = command(line, folder, expect=code).stderr.strip()
    for word in words:
        assert word in said
    assert not (folder / "x.hyrax").exists()
    assert not (folder / "x.npz").exists()


def test_a_wrong_dtype_at_predict_names_the_field_and_the_cure(folder: Path, command: Command) -> None:
    rows = dict(np.load(folder / "tonight.npz"))
    rows["flux_g"] = rows["flux_g"].astype(np.float64)
    np.savez(folder / "wide.npz", **rows)
    refused = command("hyrax-run predict classifier.hyrax wide.npz -o scores_wide.npz", folder, expect=1)
    for word in ("flux_g", "float64", "float32"):
        assert word in refused.stderr
    assert not (folder / "scores_wide.npz").exists()
