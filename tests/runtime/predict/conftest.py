"""Bundles that the tests of prediction share, forged once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hyrax_runtime.bundle import open_bundle
from hyrax_runtime.contract import InputContract

from tests.runtime.predict.forging import (
    FEATURES_TEXT,
    SOURCES_TEXT,
    dense,
    features,
    field,
    forge,
    lookup,
    sources,
    sources_contract,
)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data-home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache-home"))


@pytest.fixture(scope="session")
def forged_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("forged")


@pytest.fixture(scope="session")
def sources_bundle(forged_folder: Path) -> Path:
    """Flux, magnitude, ragged light curve and survey in; (array, None) out of to_tensor; rows independent."""
    return forge(forged_folder / "sources.hyrax", sources_contract(), SOURCES_TEXT, dense(6), sources(8))


@pytest.fixture(scope="session")
def joint_bundle(forged_folder: Path) -> Path:
    """The same, with rows that belong together."""
    return forge(forged_folder / "joint.hyrax", sources_contract("joint"), SOURCES_TEXT, dense(6), sources(8))


@pytest.fixture(scope="session")
def features_bundle(forged_folder: Path) -> Path:
    """Ten features of one field, stacked: the least there is."""
    contract = InputContract((field("data/features", shape=(10,)),), "independent")
    return forge(forged_folder / "features.hyrax", contract, FEATURES_TEXT, dense(10), features(8))


@pytest.fixture(scope="session")
def lookup_bundle(forged_folder: Path) -> Path:
    """A table of ten values, looked up by index."""
    contract = InputContract((field("data/index", "int64"),), "independent")
    text = "def to_tensor(data_dict):\n    import numpy as np\n    return np.asarray(data_dict['data']['index'])\n"
    golden = {"data": {"index": list(np.arange(8))}}
    return forge(forged_folder / "lookup.hyrax", contract, text, lookup(10), golden)


@pytest.fixture(scope="session")
def pin() -> Callable[[Path], str]:
    """The trust statement for a bundle: its id."""

    def of(path: Path) -> str:
        with open_bundle(path) as bundle:
            return bundle.id

    return of
