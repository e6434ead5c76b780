"""A graph made elsewhere, a numpy function and a file of rows become one file that proves itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hyrax_runtime.errors import FieldsError
from hyrax_runtime.loading import load
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hyrax_pack.errors import CaptureError, CoupledRowsError, DataError, ExportError, HyraxError, ResolveError
from hyrax_pack.workflow.wrapping import wrap

WEIGHT = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
FUNCTIONS = """
def features(data_dict):
    import numpy as np

    data = data_dict["data"]
    flux = np.stack([np.asarray(data["flux_g"]), np.asarray(data["flux_r"])], axis=1)
    return np.concatenate([np.arcsinh(flux), np.asarray(data["error"])[:, None]], axis=1).astype(np.float32)


def centred(data_dict):
    import numpy as np

    flux = np.asarray(data_dict["data"]["flux_g"])
    return np.stack([flux - flux.mean()] * 3, axis=1).astype(np.float32)


def wide(data_dict):
    import numpy as np

    return np.ones((len(data_dict["data"]["flux_g"]), 3))


def two_surveys(data_dict):
    import numpy as np

    flux = np.asarray(data_dict["ztf"]["flux"]) / np.asarray(data_dict["lsst"]["flux"])
    return np.stack([flux, flux, flux], axis=1).astype(np.float32)


def weighted(data_dict):
    import numpy as np

    data = data_dict["data"]
    x = np.stack([np.asarray(data[name]) for name in ("flux_g", "flux_r", "error")], axis=1)
    if "ivar" in data.keys() and data.get("label") is None:
        x = x * np.asarray(data["ivar"])[:, None]
    return (x if data_dict.get("extinction") is None else x - 1).astype(np.float32)


SCALE = object()


def unportable(data_dict):
    return data_dict["data"]["flux_g"] * SCALE
"""


@pytest.fixture
def rows() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(1)
    flux = {name: rng.lognormal(2, 1, 60).astype(np.float32) for name in ("flux_g", "flux_r")}
    label = rng.integers(0, 2, 60)
    return {**flux, "error": rng.uniform(size=60).astype(np.float32), "label": label, "object_id": np.arange(60)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, rows: dict[str, NDArray[Any]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder: a graph, a file of functions, rows. The trust store stands beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "store"))
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    np.savez(tmp_path / "rows.npz", **rows)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["p"], axis=1)],
        "elsewhere",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(WEIGHT, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    return tmp_path


def test_the_bundle_predicts_and_needs_no_flag_from_its_maker(folder: Path, rows: dict[str, NDArray[Any]]) -> None:
    said: list[str] = []
    names = ["no", "yes"]
    bundle = wrap(
        "m.onnx", "m.hyrax", to_tensor="functions.py:features", sample="rows.npz", classes=names, say=said.append
    )
    assert bundle.manifest.name == "m"
    assert bundle.manifest.outputs[0].classes == ("no", "yes")
    assert bundle.manifest.provenance["wrapped_file"] == "m.onnx"
    data = {name: values[:7] for name, values in rows.items() if name not in ("label", "object_id")}
    with load("m.hyrax") as predictor:
        found = predictor.predict({"data": data})["p"]
        assert predictor.selftest().passed
    x = np.concatenate([np.arcsinh([data["flux_g"], data["flux_r"]]).T, data["error"][:, None]], axis=1)
    z = np.exp(x @ WEIGHT)
    assert np.allclose(found, z / z.sum(1, keepdims=True), atol=1e-5)
    assert any("took batches of 1 only" in line for line in said)


def test_labels_of_the_sample_are_no_input(folder: Path) -> None:
    bundle = wrap("m.onnx", "m.hyrax", to_tensor="functions.py:features", sample="rows.npz")
    assert "data/label" not in [field.path for field in bundle.contract.fields]


@pytest.mark.parametrize(("lower", "python"), [("off", "allow"), ("require", "never")], ids=["replayed", "lowered"])
def test_a_field_that_was_asked_for_and_never_there_is_refused(
    folder: Path, rows: dict[str, NDArray[Any]], lower: Any, python: Any
) -> None:
    said: list[str] = []
    function = "functions.py:weighted"
    bundle = wrap("m.onnx", "m.hyrax", to_tensor=function, sample="rows.npz", lower=lower, say=said.append)
    assert bundle.contract.asked_absent == ("data/ivar", "extinction")
    assert any("asks for data/ivar, extinction, not there now" in line for line in said)
    data = dict(rows)
    with load("m.hyrax", python=python) as predictor:
        assert predictor.lowered is (python == "never")
        predictor.predict({"data": data})
        for more, path in (
            ({"data": {**data, "ivar": data["error"]}}, "data/ivar"),
            ({"data": data, "extinction": data["error"]}, "extinction"),
        ):
            with pytest.raises(FieldsError) as caught:
                predictor.predict(more)
            assert f"{path}: to_tensor asks for this, and it was not there" in str(caught.value)


def test_rows_may_come_as_parquet(folder: Path, rows: dict[str, NDArray[Any]]) -> None:
    pq.write_table(pa.table(rows), folder / "rows.parquet")
    bundle = wrap("m.onnx", "m.hyrax", to_tensor="functions.py:features", sample="rows.parquet")
    assert {field.path for field in bundle.contract.read} == {"data/flux_g", "data/flux_r", "data/error"}


def test_of_a_file_of_alerts_the_fields_that_are_named_are_read(folder: Path, rows: dict[str, NDArray[Any]]) -> None:
    """A column that is no field stands beside them, as in every file of a broker."""
    names = [[f"visit {row}"] for row in range(60)]
    pq.write_table(pa.table({**rows, "visits": names}), folder / "alerts.parquet")
    call = {"to_tensor": "functions.py:features", "sample": "alerts.parquet"}
    with pytest.raises(DataError, match=r"column visits: .*\(name the fields to read in `fields`\)"):
        wrap("m.onnx", "m.hyrax", **call)
    bundle = wrap("m.onnx", "m.hyrax", fields=["flux_g", "flux_r", "data/error"], **call)
    assert {field.path for field in bundle.contract.read} == {"data/flux_g", "data/flux_r", "data/error"}
    text = (folder / "functions.py").read_text().replace('data_dict["data"]', 'data_dict["alert"]')
    (folder / "functions.py").write_text(text)
    bundle = wrap("m.onnx", "m.hyrax", fields=["alert/flux_g", "alert/flux_r", "alert/error"], **call)
    assert {field.path for field in bundle.contract.read} == {"alert/flux_g", "alert/flux_r", "alert/error"}


def test_several_data_sets_keep_their_friendly_names(folder: Path) -> None:
    rng = np.random.default_rng(2)
    names = {"ztf/flux": rng.lognormal(size=40), "lsst/flux": rng.lognormal(size=40)}
    np.savez(folder / "both.npz", **names)
    bundle = wrap("m.onnx", "m.hyrax", to_tensor="functions.py:two_surveys", sample="both.npz")
    assert {field.path for field in bundle.contract.read} == {"ztf/flux", "lsst/flux"}


def test_one_row_is_enough_to_begin_with(folder: Path, rows: dict[str, NDArray[Any]]) -> None:
    np.savez(folder / "one.npz", **{name: values[:1] for name, values in rows.items()})
    assert wrap("m.onnx", "m.hyrax", to_tensor="functions.py:features", sample="one.npz").manifest.golden.rows == 1


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        pytest.param({"to_tensor": "functions.py:centred"}, CoupledRowsError, "depends on the other", id="coupled"),
        pytest.param({"to_tensor": "functions.py:wide"}, ExportError, "takes float32.*gives float64", id="dtype"),
        pytest.param({"to_tensor": "functions.py:nothing"}, ResolveError, "nothing", id="no such function"),
        pytest.param({"to_tensor": "functions.py:unportable"}, CaptureError, "SCALE", id="a name from outside"),
        pytest.param({"sample": "nowhere.npz"}, DataError, "nowhere.npz: no such file", id="no such rows"),
        pytest.param({"sample": "functions.py"}, DataError, r"rows come as .npz or .parquet", id="no rows"),
        pytest.param({"graph": "nowhere.onnx"}, ExportError, r"nowhere.onnx: cannot be read", id="no such graph"),
        pytest.param({"path": "nowhere/m.hyrax"}, HyraxError, "nowhere", id="no such folder"),
    ],
)
def test_what_does_not_fit_leaves_no_file(
    folder: Path, changes: dict[str, Any], error: type[HyraxError], says: str
) -> None:
    asked = {"graph": "m.onnx", "path": "m.hyrax", "to_tensor": "functions.py:features", "sample": "rows.npz"} | changes
    with pytest.raises(error, match=says):
        wrap(asked.pop("graph"), asked.pop("path"), **asked)
    assert not list(folder.glob("**/*.hyrax"))
