"""`hyrax-run unpack`: the members as files, all or none, nowhere but in the folder named."""

from __future__ import annotations

import json
import mmap
import os
import zipfile
from pathlib import Path

import pytest
from hyrax_runtime.bundle import open_bundle
from hyrax_runtime.cli import main
from hyrax_runtime.errors import BundleError, UnpackError
from hyrax_runtime.graph_gate import read_graph
from hyrax_runtime.graph_inlining import inline_weights
from hyrax_runtime.manifest_json import from_json_form
from hyrax_runtime.unpacking import unpack

from tests.runtime.file import protobuf
from tests.runtime.file.forge import BIAS, WEIGHTS, Forge, floats


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder).as_posix()): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_unpacking_gives_what_zipfile_gives(bundle_file: Path, tmp_path: Path) -> None:
    with open_bundle(bundle_file) as bundle:
        names = unpack(bundle, tmp_path / "ours")
    with zipfile.ZipFile(bundle_file) as archive:
        assert list(names) == archive.namelist()
        archive.extractall(tmp_path / "theirs")
    assert files_of(tmp_path / "ours") == files_of(tmp_path / "theirs")


def test_an_empty_folder_is_filled_and_stays_the_folder_that_it_was(
    bundle_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path / "empty")  # where somebody stands must not be taken from under him
    before = (tmp_path / "empty").stat()
    assert main(["unpack", str(bundle_file), "."]) == 0
    assert Path("model.onnx").is_file()
    after = (tmp_path / "empty").stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)


@pytest.mark.parametrize("kind", ["file", "filled folder", "link to a folder", "link to nowhere"])
def test_anything_that_is_there_already_is_left_alone(bundle_file: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    elsewhere = tmp_path / "elsewhere"
    if kind == "file":
        target.write_text("mine")
    elif kind == "filled folder":
        target.mkdir()
        (target / "mine").write_text("mine")
    else:
        if kind == "link to a folder":
            elsewhere.mkdir()
        target.symlink_to(elsewhere)
    before = sorted(tmp_path.rglob("*"))
    with open_bundle(bundle_file) as bundle, pytest.raises(UnpackError, match="give a folder that is new or empty"):
        unpack(bundle, target)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bundle_that_breaks_meanwhile_leaves_nothing(bundle_file: Path, tmp_path: Path) -> None:
    with open_bundle(bundle_file) as bundle:
        bundle.weights()
        with bundle_file.open("r+b") as file:
            file.seek(bundle_file.read_bytes().index(floats(1, 2, 3, 4)))
            file.write(b"\xff")
        with pytest.raises(BundleError):
            unpack(bundle, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_says_so(bundle_file: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with open_bundle(bundle_file) as bundle, pytest.raises(UnpackError, match="cannot be written"):
        unpack(bundle, locked / "out")


def test_a_folder_in_no_folder_says_so(bundle_file: Path, tmp_path: Path) -> None:
    with open_bundle(bundle_file) as bundle, pytest.raises(UnpackError, match="No such file or directory"):
        unpack(bundle, tmp_path / "nowhere" / "out")


def test_inline_graphs_need_no_second_file(bundle_file: Path, tmp_path: Path, forge: Forge) -> None:
    assert main(["unpack", str(bundle_file), str(tmp_path / "out"), "--inline"]) == 0
    found = files_of(tmp_path / "out")
    assert {"weights.bin", "manifest.msgpack", "hyrax"} & found.keys() == set()
    assert from_json_form(json.loads(found["manifest.json"])) == forge.plain
    graph = found["model.onnx"]
    assert b"weights.bin" not in graph
    assert floats(*(w for row in WEIGHTS for w in row)) in graph
    assert floats(*BIAS) in graph
    facts = read_graph(graph, "model.onnx")
    assert facts.extents == ()
    assert [port.name for port in facts.inputs + facts.outputs] == ["x", "scores"]


def test_inlining_changes_nothing_but_the_tensors_place(forge: Forge) -> None:
    graph = forge.contents["model.onnx"]
    inside = b"".join(inline_weights(graph, memoryview(forge.contents["weights.bin"]), "model.onnx"))
    weight = protobuf.floats("weight", (4, 3), *(w for row in WEIGHTS for w in row))
    bias = protobuf.floats("bias", (3,), *BIAS)
    content = protobuf.graph(
        [protobuf.node("MatMul", ["x", "weight"], ["product"]), protobuf.node("Add", ["product", "bias"], ["scores"])],
        [protobuf.value_info("x", protobuf.FLOAT, "N", 4)],
        [protobuf.value_info("scores", protobuf.FLOAT, "N", 3)],
        [weight, bias],
    )
    assert inside == protobuf.model(content)


def test_a_graph_without_external_tensors_stays_as_it_is() -> None:
    graph = protobuf.model(protobuf.graph([], [], [], [protobuf.floats("a", (1,), 1.0)]))
    assert b"".join(inline_weights(graph, None, "model.onnx")) == graph


def test_a_graph_that_would_be_over_two_gigabytes_is_refused() -> None:
    size = 1 << 30
    tensors = [protobuf.in_weights(name, (size // 4,), at, size) for name, at in (("a", 0), ("b", size))]
    graph = protobuf.model(protobuf.graph([], [], [], tensors))
    nothing = mmap.mmap(-1, 2 * size)  # never touched, so it takes no memory
    with pytest.raises(UnpackError, match="protobuf ends at 2147483647; unpack without --inline"):
        inline_weights(graph, memoryview(nothing), "model.onnx")
