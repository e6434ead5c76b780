"""A trained-enough network, its to_tensor as text, and all that goes into a bundle with them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hyrax_runtime.contract import FieldContract, InputContract
from hyrax_runtime.replay import as_slots

from hyrax_pack.capturing import Captured, capture
from hyrax_pack.exporting import Network, choose_golden_rows, export_network
from hyrax_pack.packing import Contents, gather_provenance

MODEL = '''
import torch
from torch import nn


class Photometry(nn.Module):
    """Fluxes of one source, ragged, and a magnitude: three scores; counts beside a probability."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(5, 64), nn.Linear(64, 3)

    def forward(self, batch):
        features, _label = batch
        scores, norm = self.second(torch.tanh(self.first(features))), features.norm(dim=1)
        return {"scores": scores, "norm": norm, "table": torch.stack([1e7 * norm, torch.sigmoid(scores[:, 0])], dim=1)}

    @staticmethod
    def to_tensor(data_dict):
        import numpy as np

        data = data_dict["data"]
        rows = [
            [np.arcsinh(flux).mean(), np.nanmax(flux), len(flux), magnitude, len(name)]
            for flux, magnitude, name in zip(data["flux"], data["magnitude"], data["name"])
        ]
        return np.asarray(rows, dtype=np.float32), data.get("label")
'''
ROWS = 100


@dataclass(frozen=True)
class Parts:
    """What is packed: the network, what goes beside it, and the data it came from."""

    network: Network
    contents: Contents
    captured: Captured
    data_dict: Callable[[Sequence[int]], dict[str, Any]]


@pytest.fixture(scope="session")
def data_dict() -> Callable[[Sequence[int]], dict[str, Any]]:
    """Rows of a small survey, as a data set gives them."""
    rng = np.random.default_rng(0)
    flux = [rng.lognormal(2, 1, size).astype(np.float32) for size in rng.integers(1, 9, ROWS)]
    magnitude = list(rng.normal(20, 2, ROWS))
    names = [f"source {number}" for number in range(ROWS)]
    return lambda rows: {
        "data": {
            "flux": [flux[row] for row in rows],
            "magnitude": [magnitude[row] for row in rows],
            "name": [names[row] for row in rows],
        },
        "object_id": list(rows),
    }


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory, data_dict: Callable[[Sequence[int]], dict[str, Any]]) -> Parts:
    """Everything that `pack` takes."""
    torch.set_num_threads(1)
    cls = load_class(tmp_path_factory.mktemp("user") / "model.py")
    captured = capture(cls)
    function = captured.compile()

    def make(rows: Sequence[int]) -> Any:
        return as_slots(function(data_dict(rows)), rows=len(rows)).slots

    network = export_network(
        cls(), "forward", make, returns="tuple", sample=range(8), held_out=range(8, ROWS), classes=["a", "b", "c"]
    )
    chosen = choose_golden_rows(data_dict(range(ROWS)), ROWS)
    contents = Contents(
        name="Photometry",
        captured=captured,
        contract=InputContract(
            (
                FieldContract("data/flux", "ragged", "float32", ("flux.1",), "list", "array", True),
                FieldContract("data/magnitude", "array", "float64", (), "list", "scalar", True),
                FieldContract("data/name", "string", "str", (), "list", "python", True),
                FieldContract("object_id", "array", "int64", (), "list", "python", False),
            ),
            "independent",
        ),
        golden_data=data_dict(chosen),
        golden_rows=len(chosen),
        provenance=gather_provenance(to_tensor_sha256=captured.sha256, seed=0),
        metrics={"validation/loss": 0.25, "validation/odd": float("nan")},
        config_toml="[train]\nepochs = 1\n",
    )
    return Parts(network, contents, captured, data_dict)


def load_class(file: Path) -> Any:
    """Write the user's file and import it."""
    file.write_text(MODEL)
    spec = importlib.util.spec_from_file_location("user_model", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Photometry
