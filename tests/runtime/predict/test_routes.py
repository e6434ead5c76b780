"""A bundle may carry its to_tensor as text, as a graph, or as both; either route gives the same."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hyrax_runtime as hr
import numpy as np
import pytest
from hyrax_runtime.contract import InputContract
from hyrax_runtime.errors import PinError
from hyrax_runtime.loading import open_predictor
from hyrax_runtime.settings import Settings

from tests.runtime.predict import forging

Pin = Callable[[Path], str]
CONTRACT = InputContract((forging.field("data/features", shape=(10,)),), "independent")


def forge(path: Path, forms: Any, *, roles: tuple[str, ...] = ("lowered", "fused"), factor: float = 2.0) -> Path:
    network = forging.dense(10)
    graphs: Mapping[Any, bytes] = {
        role: data for role, data in forging.doubling(network, factor).items() if role in roles
    }
    return forging.forge(
        path, CONTRACT, forging.DOUBLING_TEXT, network, forging.features(8), lowered=graphs, forms=forms
    )


@pytest.fixture
def wanted(tmp_path: Path, pin: Pin) -> Any:
    path = forge(tmp_path / "text.hyrax", ("replay",), roles=())
    return hr.load(path, trust=pin(path)).predict(forging.features(6))["scores"]


@pytest.mark.parametrize("roles", [("lowered", "fused"), ("lowered",)], ids=["fused", "two graphs"])
def test_a_bundle_without_code_runs_without_trust(tmp_path: Path, wanted: Any, roles: tuple[str, ...]) -> None:
    predictor = hr.load(forge(tmp_path / "graphs.hyrax", ("lowered",), roles=roles), python="never")
    assert predictor.lowered
    for batch in (forging.features(6), {"data": {"features": np.stack(forging.features(6)["data"]["features"])}}):
        np.testing.assert_allclose(predictor.predict(batch)["scores"], wanted, rtol=1e-6, atol=1e-6)
    report = predictor.selftest()
    assert report.passed and report.stages[0].name == "to_tensor"


def test_the_preferred_form_runs_unless_python_is_excluded(tmp_path: Path, wanted: Any, pin: Pin) -> None:
    path = forge(tmp_path / "both.hyrax", ("replay", "lowered"))
    replaying = hr.load(path, trust=pin(path))
    without = hr.load(path, python="never")
    assert (replaying.lowered, without.lowered) == (False, True)
    for predictor in (replaying, without):
        np.testing.assert_allclose(predictor.predict(forging.features(6))["scores"], wanted, rtol=1e-6, atol=1e-6)


def test_the_quicker_form_that_may_run_runs(tmp_path: Path, pin: Pin) -> None:
    path = forge(tmp_path / "both.hyrax", ("replay", "lowered"))
    untrusted = hr.load(path)
    assert (untrusted.lowered, hr.load(path, trust=pin(path)).lowered) == (True, False)
    assert pickle.loads(pickle.dumps(untrusted)).lowered  # a pickle is no consent to Python
    assert not pickle.loads(pickle.dumps(hr.load(path, trust=pin(path)))).lowered
    with pytest.raises(PinError):
        hr.load(path, trust="sha256:" + "0" * 64)
    with pytest.raises(hr.TrustError):
        hr.load(forge(tmp_path / "text.hyrax", ("replay",), roles=()))


def test_rows_keep_their_place_on_the_lowered_route(tmp_path: Path, wanted: Any) -> None:
    predictor = hr.load(forge(tmp_path / "graphs.hyrax", ("lowered",)))
    rows = forging.features(6)
    rows["data"]["features"][4] = np.zeros(9, "f4")
    outputs = predictor.predict(rows, on_error="mask", max_batch=2)
    assert list(outputs.errors) == [4] and np.isnan(outputs["scores"][4]).all()
    np.testing.assert_allclose(outputs["scores"][[0, 1, 2, 3, 5]], wanted[[0, 1, 2, 3, 5]], rtol=1e-6, atol=1e-6)
    assert predictor.predict({"data": {"features": []}})["scores"].shape == (0, 3)


def test_a_pin_is_held_to_even_where_no_python_runs(tmp_path: Path) -> None:
    with pytest.raises(PinError):
        hr.load(forge(tmp_path / "graphs.hyrax", ("lowered",)), trust="sha256:" + "0" * 64)


def test_a_lowered_graph_that_computes_something_else_drifts_in_to_tensor(tmp_path: Path) -> None:
    path = forge(tmp_path / "wrong.hyrax", ("lowered",), factor=2.001)
    report = open_predictor(path, None, Settings()).selftest()
    assert report.drift is not None and report.drift.name == "to_tensor"
