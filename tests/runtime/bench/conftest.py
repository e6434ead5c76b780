"""Bundles to measure, and figures as if they had been measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from hyrax_runtime.benching.measuring import Plan
from hyrax_runtime.bundle import open_bundle
from hyrax_runtime.contract import InputContract

from tests.runtime.predict import forging

BRIEF = Plan(figure_s=0.002, starts=1, batches=(1, 3), longest_call_s=60.0)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data-home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache-home"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="session")
def features_contract() -> InputContract:
    return InputContract((forging.field("data/features", shape=(10,)),), "independent")


@pytest.fixture(scope="session")
def features_bundle(folder: Path, features_contract: InputContract) -> Path:
    """Ten features, weights in weights.bin; to_tensor prints, as a scientist's may."""
    text = forging.FEATURES_TEXT.replace("import numpy as np", 'import numpy as np\n    print("making tensors")')
    path = folder / "features.hyrax"
    return forging.forge(path, features_contract, text, forging.dense(10), forging.features(8))


@pytest.fixture(scope="session")
def inline_bundle(folder: Path, features_contract: InputContract) -> Path:
    """The same with its weights in the graph."""
    network = forging.dense(10, in_file=False)
    path = folder / "inline.hyrax"
    return forging.forge(path, features_contract, forging.FEATURES_TEXT, network, forging.features(8))


@pytest.fixture(scope="session")
def fused_bundle(folder: Path, features_contract: InputContract) -> Path:
    """to_tensor as a graph, fused with the network."""
    network = forging.dense(10)
    return forging.forge(
        folder / "fused.hyrax", features_contract, forging.DOUBLING_TEXT, network, forging.features(8),
        lowered=forging.doubling(network), forms=("lowered",),
    )  # fmt: skip


@pytest.fixture(scope="session")
def sources_bundle(folder: Path) -> Path:
    """Arrays, numpy scalars, ragged light curves and text in."""
    path = folder / "sources.hyrax"
    return forging.forge(path, forging.sources_contract(), forging.SOURCES_TEXT, forging.dense(6), forging.sources(8))


@pytest.fixture(scope="session")
def joint_bundle(folder: Path) -> Path:
    """The same, with rows that belong together."""
    path = folder / "joint.hyrax"
    return forging.forge(
        path, forging.sources_contract("joint"), forging.SOURCES_TEXT, forging.dense(6), forging.sources(8)
    )


def pin(path: Path) -> str:
    with open_bundle(path) as bundle:
        return bundle.id
