"""A batch goes in, every row comes out in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hyrax_runtime as hr
import numpy as np
import pytest
from hyrax_runtime.errors import BatchError, FieldsError, ReplayError, RunError, UsageError
from hyrax_runtime.feeding import replay_feed
from hyrax_runtime.manifest import Preprocessing, Slot
from hyrax_runtime.replay import compile_function

from tests.runtime.predict import forging


@pytest.fixture(scope="module")
def predictor(sources_bundle: Path, pin: Callable[[Path], str]) -> hr.Predictor:
    return hr.load(sources_bundle, trust=pin(sources_bundle), threads=1)


@pytest.fixture(scope="module")
def sources() -> Callable[..., dict[str, Any]]:
    return forging.sources


def test_outputs_are_a_mapping_of_arrays_with_the_ids_beside(predictor: hr.Predictor, sources: Any) -> None:
    outputs = predictor.predict(sources(5))
    assert list(outputs) == ["scores", "best"]
    assert outputs["scores"].shape == (5, 3) and outputs["scores"].dtype == np.float32
    assert outputs["best"].tolist() == outputs["scores"].argmax(axis=1).tolist()
    assert outputs.object_id == [f"source-{row}" for row in range(5)]
    assert outputs.errors == {}


def test_an_output_that_does_not_exist_is_named_with_the_nearest(predictor: hr.Predictor, sources: Any) -> None:
    with pytest.raises(KeyError, match="did you mean 'scores'"):
        predictor.predict(sources(1))["score"]


@pytest.mark.parametrize("rows", [0, 1, 2, 17])
def test_a_batch_of_any_size_keeps_its_rows(predictor: hr.Predictor, sources: Any, rows: int) -> None:
    whole = predictor.predict(sources(17))
    some = {"data": {name: values[:rows] for name, values in sources(17)["data"].items()}}
    outputs = predictor.predict(some)
    assert outputs["scores"].shape == (rows, 3) and outputs["best"].shape == (rows,)
    np.testing.assert_allclose(outputs["scores"], whole["scores"][:rows], rtol=1e-6, atol=1e-6)


def test_no_rows_give_outputs_of_the_right_dtype_without_running_to_tensor(tmp_path: Path, pin: Any) -> None:
    text = forging.FEATURES_TEXT.replace("return", "data_dict['data']['features'][0]\n    return")
    from hyrax_runtime.contract import InputContract

    contract = InputContract((forging.field("data/features", shape=(10,)),), "independent")
    path = forging.forge(tmp_path / "first.hyrax", contract, text, forging.dense(10), forging.features(8))
    outputs = hr.load(path, trust=pin(path)).predict({"data": {"features": []}})
    assert outputs["scores"].shape == (0, 3) and outputs["best"].dtype == np.int64


def test_stacked_arrays_and_lists_of_rows_give_the_same(predictor: hr.Predictor, sources: Any) -> None:
    rows = sources(6)
    stacked = {"data": dict(rows["data"], flux=np.stack(rows["data"]["flux"]), mag=np.array(rows["data"]["mag"]))}
    assert np.array_equal(predictor.predict(stacked)["scores"], predictor.predict(rows)["scores"])


def test_big_endian_rows_as_fits_gives_them_are_computed_right(predictor: hr.Predictor, sources: Any) -> None:
    rows = sources(6)
    wanted = predictor.predict(rows)["scores"]
    rows["data"]["flux"] = [flux.astype(">f4") for flux in rows["data"]["flux"]]
    rows["data"]["mag"] = np.array(rows["data"]["mag"], dtype=">f4")
    assert np.array_equal(predictor.predict(rows)["scores"], wanted)


def test_one_record_goes_in_and_out_without_the_batch_axis(predictor: hr.Predictor, sources: Any) -> None:
    rows = sources(4)
    record = {"data": {name: values[2] for name, values in rows["data"].items()}, "object_id": rows["object_id"][2]}
    one = predictor.predict_one(record)
    assert one["scores"].shape == (3,) and isinstance(one["best"], np.ndarray) and one["best"].shape == ()
    assert one.object_id == "source-2"
    np.testing.assert_allclose(one["scores"], predictor.predict(rows)["scores"][2], rtol=1e-6, atol=1e-6)


def test_plain_python_numbers_do_for_one_record(predictor: hr.Predictor) -> None:
    record = {"data": {"flux": [1.0, 2.0, 3.0], "mag": 20, "curve": [[1.0, 2.0]], "survey": "ztf"}}
    assert np.isfinite(predictor.predict_one(record)["scores"]).all()


@pytest.mark.parametrize("max_batch", [1, 3, 8, 100])
def test_max_batch_cuts_a_large_batch_and_puts_it_together_again(
    predictor: hr.Predictor, sources: Any, max_batch: int
) -> None:
    rows = sources(17)
    pieces = predictor.predict(rows, max_batch=max_batch)
    np.testing.assert_allclose(pieces["scores"], predictor.predict(rows)["scores"], rtol=1e-6, atol=1e-6)
    assert pieces.object_id == rows["object_id"]


def spoil(rows: dict[str, Any]) -> dict[str, Any]:
    """Row 2 has a flux of another shape, row 5 breaks to_tensor."""
    rows["data"]["flux"][2] = np.zeros(4, "f4")
    rows["data"]["survey"][5] = "unknown"
    return rows


@pytest.mark.parametrize("max_batch", [None, 4])
def test_a_masked_row_gives_nan_in_its_place_and_the_others_are_right(
    predictor: hr.Predictor, sources: Any, max_batch: int | None
) -> None:
    wanted = predictor.predict(sources(9))
    outputs = predictor.predict(spoil(sources(9)), on_error="mask", max_batch=max_batch)
    good = [0, 1, 3, 4, 6, 7, 8]
    np.testing.assert_allclose(outputs["scores"][good], wanted["scores"][good], rtol=1e-6, atol=1e-6)
    assert np.isnan(outputs["scores"][[2, 5]]).all()
    assert outputs["best"][[2, 5]].tolist() == [0, 0]
    assert outputs["best"][good].tolist() == wanted["best"][good].tolist()
    assert list(outputs.errors) == [2, 5]
    assert "row shape (4,) where (3,) is recorded" in str(outputs.errors[2])
    assert "no zero point for survey unknown" in str(outputs.errors[5])


def test_a_batch_of_nothing_but_bad_rows_is_all_masked(predictor: hr.Predictor, sources: Any) -> None:
    rows = sources(3)
    rows["data"]["survey"] = ["unknown"] * 3
    outputs = predictor.predict(rows, on_error="mask")
    assert np.isnan(outputs["scores"]).all() and outputs["scores"].shape == (3, 3)
    assert list(outputs.errors) == [0, 1, 2]


def test_a_row_on_which_the_graph_itself_fails_is_masked(lookup_bundle: Path, pin: Any) -> None:
    predictor = hr.load(lookup_bundle, trust=pin(lookup_bundle))
    outputs = predictor.predict({"data": {"index": [1, 2, 99, 4]}}, on_error="mask")
    np.testing.assert_array_equal(outputs["value"], [0.5, 1.0, np.nan, 2.0])
    assert list(outputs.errors) == [2]


def test_a_batch_of_rows_on_which_the_graph_fails_is_all_masked(lookup_bundle: Path, pin: Any) -> None:
    outputs = hr.load(lookup_bundle, trust=pin(lookup_bundle)).predict({"data": {"index": [97, 98]}}, on_error="mask")
    assert np.isnan(outputs["value"]).all() and list(outputs.errors) == [0, 1]


def test_a_machine_that_fails_on_every_row_is_not_taken_for_bad_rows(
    lookup_bundle: Path, pin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = hr.load(lookup_bundle, trust=pin(lookup_bundle))

    def out_of_memory(*_: Any) -> Any:
        raise RunError("CUDAExecutionProvider failed: out of memory")

    monkeypatch.setattr(predictor.route.session, "run", out_of_memory)
    for index in ([1], [1, 2, 3]):
        with pytest.raises(hr.DeviceError, match="out of memory"):
            predictor.predict({"data": {"index": index}}, on_error="mask")


def test_a_closed_predictor_masks_as_an_open_one_does(lookup_bundle: Path, pin: Any) -> None:
    with hr.load(lookup_bundle, trust=pin(lookup_bundle)) as closed:
        pass
    for index in ([97, 98], [1, 98]):
        outputs = closed.predict({"data": {"index": index}}, on_error="mask")
        assert sorted(outputs.errors) == [row for row, each in enumerate(index) if each > 10]


def test_what_is_kept_of_masked_rows_does_not_keep_their_batch(lookup_bundle: Path, pin: Any) -> None:
    predictor = hr.load(lookup_bundle, trust=pin(lookup_bundle))
    outputs = predictor.predict({"data": {"index": [1, 99, 3]}}, on_error="mask")
    error: BaseException | None = outputs.errors[1]
    while error is not None:
        assert error.__traceback__ is None
        error = error.__cause__ or error.__context__


def test_a_whole_column_of_a_wrong_dtype_is_an_error_even_when_rows_may_be_masked(
    predictor: hr.Predictor, sources: Any
) -> None:
    rows = sources(4)
    rows["data"]["mag"] = np.array(rows["data"]["mag"], dtype="f8")
    with pytest.raises(FieldsError, match=r"data/mag: dtype float64 .* pass \.astype\('float32'\)"):
        predictor.predict(rows, on_error="mask")


def test_what_to_tensor_raises_names_its_line(predictor: hr.Predictor, sources: Any) -> None:
    rows = sources(2)
    rows["data"]["survey"][1] = "unknown"
    with pytest.raises(ReplayError, match=r"to_tensor raised ValueError: no zero point .*, line 7 of to_tensor.py"):
        predictor.predict(rows)


def test_a_to_tensor_that_ends_the_program_is_an_error_of_its_row() -> None:
    text = "def to_tensor(data_dict):\n    import sys\n\n    sys.exit()\n"
    slot = Slot("tensor", "float32", ("N",), "x")
    recorded = Preprocessing(("replay",), "replay", "array", (slot,), False, (), None)
    feed = replay_feed(compile_function(text), recorded)
    with pytest.raises(ReplayError, match=r"to_tensor raised SystemExit, line 4 of to_tensor\.py"):
        feed({"data": {"x": [1.0]}}, 1)


def test_a_joint_batch_is_never_cut_and_never_masked(joint_bundle: Path, pin: Any, sources: Any) -> None:
    predictor = hr.load(joint_bundle, trust=pin(joint_bundle))
    assert predictor.predict(sources(5), max_batch=5)["scores"].shape == (5, 3)
    with pytest.raises(BatchError, match="never split"):
        predictor.predict(sources(6), max_batch=5)
    with pytest.raises(BatchError, match="joint"):
        predictor.predict(sources(6), on_error="mask")


@pytest.mark.parametrize(
    "wrong", [{"on_error": "ignore"}, {"max_batch": 0}, {"max_batch": 2.5}], ids=["on_error", "zero", "fraction"]
)
def test_a_setting_that_does_not_exist_is_wrong_usage(predictor: hr.Predictor, sources: Any, wrong: Any) -> None:
    with pytest.raises(UsageError):
        predictor.predict(sources(2), **wrong)


def test_python_never_says_why_there_is_no_lowered_form(sources_bundle: Path) -> None:
    with pytest.raises(hr.BundleError, match="travels as Python only"):
        hr.load(sources_bundle, python="never")


def test_a_bundle_that_nobody_trusts_does_not_run(sources_bundle: Path) -> None:
    with pytest.raises(hr.TrustError):
        hr.load(sources_bundle)
