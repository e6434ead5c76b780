"""The proof travels: each stage is compared on the machine where it runs, and the one that drifts is named."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hyrax_runtime as hr
import numpy as np
import pytest
from hyrax_runtime.commands.verify import describe_report
from hyrax_runtime.errors import DriftError
from hyrax_runtime.loading import open_predictor, proven_here
from hyrax_runtime.session import VERSION
from hyrax_runtime.settings import Settings

from tests.runtime.predict import forging

Pin = Callable[[Path], str]


@pytest.fixture
def forged(tmp_path: Path, pin: Pin) -> Callable[..., hr.Predictor]:
    """A predictor of the survey bundle whose golden vectors were meddled with before it was sealed."""

    def make(**settings: Any) -> hr.Predictor:
        path = forging.forge(
            tmp_path / "meddled.hyrax", forging.sources_contract(), forging.SOURCES_TEXT, forging.dense(6),
            forging.sources(8), **settings,
        )  # fmt: skip
        return open_predictor(path, pin(path), Settings(threads=1))

    return make


def test_a_sound_bundle_passes_every_stage(sources_bundle: Path, pin: Pin) -> None:
    report = hr.load(sources_bundle, trust=pin(sources_bundle)).selftest()
    assert report.passed and report.drift is None and report.rows == 8
    assert [(stage.name, stage.where) for stage in report.stages] == [
        ("to_tensor", "x"),
        ("graph", "scores"),
        ("graph", "best"),
        ("device", "scores"),
        ("device", "best"),
    ]
    assert all(stage.difference <= stage.tolerance for stage in report.stages)
    assert report.placement == {"CPUExecutionProvider": {"Gemm": 1, "ArgMax": 1}}
    assert report.here["numpy"] == np.__version__ and report.packed["onnxruntime"] == VERSION
    assert json.loads(json.dumps(report.to_plain()))["passed"] is True


def test_what_a_device_leaves_to_the_cpu_is_said(sources_bundle: Path, pin: Pin) -> None:
    report = hr.load(sources_bundle, trust=pin(sources_bundle)).selftest()
    placement = {"CUDAExecutionProvider": {"Gemm": 4}, "CPUExecutionProvider": {"Shape": 1, "Gather": 2}}
    said = describe_report(replace(report, provider="CUDAExecutionProvider", placement=placement), "")
    assert "CUDAExecutionProvider; 3 nodes run on CPUExecutionProvider (Gather, Shape)" in said


@pytest.mark.parametrize(
    ("provider", "says"),
    [
        ("CPUExecutionProvider", "so it is to_tensor: compare numpy's"),
        ("CUDAExecutionProvider", "the device's precision"),
    ],
)
def test_a_drift_of_the_whole_way_alone_is_the_devices_or_that_of_to_tensor(
    sources_bundle: Path, pin: Pin, provider: str, says: str
) -> None:
    report = hr.load(sources_bundle, trust=pin(sources_bundle)).selftest()
    drifting = [replace(stage, passed=stage.name != "device") for stage in report.stages]
    said = describe_report(replace(report, provider=provider, stages=tuple(drifting)), "")
    assert says in said.splitlines()[-1]


def test_the_self_test_does_not_count_as_live_data(sources_bundle: Path, pin: Pin) -> None:
    predictor = hr.load(sources_bundle, trust=pin(sources_bundle))
    with predictor.watch() as watch:
        predictor.selftest()
    assert watch.rows == 0


def meddle(part: str, name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def into(parts: dict[str, Any]) -> None:
        parts[part][name] = change(parts[part][name].copy())

    return into


def other_value(array: Any) -> Any:
    array[3] += 1
    return array


def with_nan(array: Any) -> Any:
    array[3, 0] = np.nan
    return array


@pytest.mark.parametrize(
    ("change", "stage", "difference"),
    [
        pytest.param(meddle("tensors", "x", other_value), "to_tensor", 1.0, id="tensors"),
        pytest.param(meddle("tensors", "x", with_nan), "to_tensor", np.inf, id="a NaN in the tensors"),
        pytest.param(meddle("outputs", "scores", other_value), "graph", 1.0, id="outputs"),
        pytest.param(meddle("outputs", "scores", with_nan), "graph", np.inf, id="a NaN in the outputs"),
        pytest.param(meddle("outputs", "best", other_value), "graph", 1.0, id="integer outputs"),
    ],
)
def test_the_first_stage_that_drifts_is_named(
    forged: Callable[..., hr.Predictor], change: Any, stage: str, difference: float
) -> None:
    report = forged(change=change).selftest()
    assert not report.passed and report.drift is not None
    assert report.drift.name == stage
    assert report.drift.difference == pytest.approx(difference)
    json.dumps(report.to_plain(), allow_nan=False)
    with pytest.raises(DriftError, match=f"first in {stage}"):
        report.require_passed()


def test_a_to_tensor_that_fails_on_the_golden_rows_is_a_drift_with_its_error(
    forged: Callable[..., hr.Predictor],
) -> None:
    def break_text(parts: dict[str, Any]) -> None:
        parts["text"] = parts["text"].replace('rows["survey"]', 'rows["surveys"]')

    drift = forged(change=break_text).selftest().drift
    assert drift is not None and drift.name == "to_tensor" and drift.difference == np.inf
    assert "KeyError" in drift.note


def test_a_to_tensor_of_another_dtype_drifts(forged: Callable[..., hr.Predictor]) -> None:
    def widen(parts: dict[str, Any]) -> None:
        parts["text"] = parts["text"].replace("dtype=np.float32", "dtype=np.float64")

    drift = forged(change=widen).selftest().drift
    assert drift is not None and "float64" in drift.note


@pytest.mark.parametrize(
    "packages", [{"numpy": "1.0.0"}, {"onnxruntime": "1.1"}, {"python": "3.9.1"}, {"machine": "VMS VAX"}]
)
def test_other_versions_run_the_self_test_once_at_load_with_a_notice(
    tmp_path: Path, pin: Pin, caplog: pytest.LogCaptureFixture, packages: dict[str, str]
) -> None:
    arguments = (forging.sources_contract(), forging.SOURCES_TEXT, forging.dense(6), forging.sources(8))
    sound = forging.forge(tmp_path / "sound.hyrax", *arguments, packages=packages)
    with caplog.at_level(logging.WARNING):
        hr.load(sound, trust=pin(sound))
    assert "proven with" in caplog.text and "self-test" in caplog.text
    drifted = forging.forge(
        tmp_path / "drifted.hyrax", *arguments, packages=packages, change=meddle("outputs", "scores", other_value)
    )
    with pytest.raises(DriftError, match=r"first in graph \(scores\): differs by 1 "):
        hr.load(drifted, trust=pin(drifted))


def test_a_device_other_than_that_of_the_proof_runs_the_self_test_at_load(
    tmp_path: Path, pin: Pin, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = (forging.sources_contract(), forging.SOURCES_TEXT, forging.dense(6), forging.sources(8))
    drifted = forging.forge(tmp_path / "drifted.hyrax", *arguments, change=meddle("outputs", "scores", other_value))
    predictor = open_predictor(drifted, pin(drifted), Settings())
    assert proven_here(predictor) is predictor
    predictor.provider = "CUDAExecutionProvider"
    with pytest.raises(DriftError, match=r"first in graph \(scores\)"):
        proven_here(predictor)
    assert "CUDAExecutionProvider (proven with CPUExecutionProvider); running the self-test once" in caplog.text


def test_the_proven_versions_need_no_self_test_at_load(
    sources_bundle: Path, pin: Pin, caplog: pytest.LogCaptureFixture
) -> None:
    hr.load(sources_bundle, trust=pin(sources_bundle))
    assert caplog.text == ""
