from __future__ import annotations

from pathlib import Path

import numpy as np
from hyrax_runtime.benching.rows import RepeatedRows
from hyrax_runtime.bundle import open_bundle
from hyrax_runtime.loading import load
from hyrax_runtime.routes import stacked_contract

from tests.runtime.bench.conftest import pin


def test_the_first_row_follows_the_last_and_predicts_as_proven(sources_bundle: Path) -> None:
    with open_bundle(sources_bundle) as bundle:
        batch = RepeatedRows(bundle, bundle.contract).batch(19)
    outputs = load(sources_bundle, trust=pin(sources_bundle), threads=1).predict(batch)
    assert outputs["scores"].shape == (19, 3)
    np.testing.assert_allclose(outputs["scores"][8:16], outputs["scores"][:8], rtol=1e-6)
    assert batch["data"]["survey"][9] == batch["data"]["survey"][1] == "ztf"


def test_every_row_has_memory_of_its_own(sources_bundle: Path) -> None:
    with open_bundle(sources_bundle) as bundle:
        curves = RepeatedRows(bundle, bundle.contract).batch(16)["data"]["curve"]
    assert not np.shares_memory(curves[0], curves[8])


def test_a_lowered_route_gets_its_rows_stacked(features_bundle: Path) -> None:
    with open_bundle(features_bundle) as bundle:
        rows = RepeatedRows(bundle, stacked_contract(bundle.contract))
    assert rows.batch(9)["data"]["features"].shape == (9, 10)
    assert (rows.rows, rows.row_bytes) == (8, 40)
