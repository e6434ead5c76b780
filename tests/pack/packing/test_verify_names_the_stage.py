"""Three bundles that went wrong after they were proven, and the stage that `verify` names for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hyrax_runtime.bundle import Bundle, open_bundle
from hyrax_runtime.cli import main
from hyrax_runtime.loading import load
from hyrax_runtime.manifest import Member
from hyrax_runtime.selftest import Proof, Report
from hyrax_runtime.session import open_session
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hyrax_pack.packing import pack
from hyrax_pack.packing.writing import MemberSource, member_of, write_bundle
from tests.pack.packing.conftest import Parts


@pytest.fixture
def sound(parts: Parts, tmp_path: Path) -> Iterator[Bundle]:
    """A bundle that was proven."""
    with pack(tmp_path / "sound.hyrax", parts.network, parts.contents) as bundle:
        yield bundle


def doctored(bundle: Bundle, to: Path, **members: bytes) -> Path:
    """Write the bundle again with other members, by a packer that proves nothing."""

    def source(member: Member) -> MemberSource:
        content = bytes(bundle.weights() or b"") if member.role == "weights" else bundle.read(member.name)
        return member_of(member.name, member.role, members.get(member.role, content))

    sources = [source(member) for member in bundle.manifest.members]
    write_bundle(to, lambda rows: dataclasses.replace(bundle.manifest, members=rows), sources)
    return to


def in_half_precision(graph: bytes) -> bytes:
    """The graph with its scores passed through float16."""
    model = onnx.load_from_string(graph)
    producer = next(node for node in model.graph.node if "scores" in node.output)
    producer.output[0] = "exact"
    model.graph.node.append(helper.make_node("Cast", ["exact"], ["half"], to=TensorProto.FLOAT16))
    model.graph.node.append(helper.make_node("Cast", ["half"], ["scores"], to=TensorProto.FLOAT))
    return model.SerializeToString()


def verify(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with open_bundle(path) as bundle:
        trust = bundle.id
    code = main(["verify", str(path), "--trust", trust])
    return code, capsys.readouterr().out


def test_a_sound_bundle_passes(sound: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = verify(sound.path, capsys)
    assert code == 0
    assert "DRIFTS" not in said


def test_a_numpy_that_computes_otherwise_is_to_tensor(
    sound: Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arcsinh = np.arcsinh
    monkeypatch.setattr(np, "arcsinh", lambda x: arcsinh(x) * np.float32(1.0001))
    code, said = verify(sound.path, capsys)
    assert code == 1
    assert "the first stage that drifts is to_tensor" in said


def test_a_changed_weight_is_the_graph(sound: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = np.frombuffer(bytes(sound.weights() or b""), np.float32).copy()
    weights[7] += 1e-3 * np.abs(weights).max()
    code, said = verify(doctored(sound, tmp_path / "weight.hyrax", weights=weights.tobytes()), capsys)
    assert code == 1
    assert "the first stage that drifts is graph" in said
    assert "scores" in said


def test_a_graph_in_lower_precision_is_the_graph(
    sound: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = in_half_precision(sound.read("model.onnx"))
    code, said = verify(doctored(sound, tmp_path / "half.hyrax", graph=graph), capsys)
    assert code == 1
    assert "the first stage that drifts is graph" in said


def without_probability(graph: bytes) -> bytes:
    """The graph whose probability is 0, beside counts of 1e8."""
    model = onnx.load_from_string(graph)
    producer = next(node for node in model.graph.node if "table" in node.output)
    producer.output[0] = "exact"
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 0], np.float32), "kept"))
    model.graph.node.append(helper.make_node("Mul", ["exact", "kept"], ["table"]))
    return model.SerializeToString()


def test_a_small_column_that_is_lost_beside_a_large_one_is_the_graph(
    sound: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = without_probability(sound.read("model.onnx"))
    code, said = verify(doctored(sound, tmp_path / "lost.hyrax", graph=graph), capsys)
    assert code == 1
    assert "DRIFTS: at golden row " in said
    assert ", place [1]" in said


def test_a_device_of_lower_precision_is_the_device(sound: Bundle) -> None:
    """What rounds as TF32 does stands in for a device; the CPU computes exactly."""
    with load(sound.path, trust=sound.id) as predictor:
        exact = predictor.predict

        def in_tf32(data_dict: Any) -> dict[str, NDArray[Any]]:
            return {name: (array.view(np.int32) & ~0x1FFF).view(np.float32) for name, array in exact(data_dict).items()}

        proof = Proof(sound.manifest, sound.read)
        session = open_session(sound.graph, sound.weights())
        stages = proof.compare_graph(session.run) + proof.compare_device(in_tf32)
    report = Report(
        bundle=sound.id,
        provider="CUDAExecutionProvider",
        rows=proof.rows,
        stages=tuple(stages),
        placement={},
        here={},
        packed={},
    )
    assert report.drift is not None
    assert report.drift.name == "device"
