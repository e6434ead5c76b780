"""Opening a sound bundle, and what happens to one that is open."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hyrax_runtime import container
from hyrax_runtime.bundle import Bundle, open_bundle
from hyrax_runtime.errors import (
    ChangedError,
    DigestError,
    HeaderError,
    HyraxError,
    SizeError,
    UnreadableError,
    UsageError,
)
from hyrax_runtime.folders import user_cache_folder

from tests.runtime.file import protobuf
from tests.runtime.file.forge import SOURCE, Forge, linear_weights


def age(path: Path) -> None:
    """Wait until a change of the file would show in its times."""
    while time.time_ns() - path.stat().st_ctime_ns < 200_000_000:
        time.sleep(0.02)


def hashed_weights(bundle: Bundle) -> bool:
    """Whether `bundle.weights()` read the weights, rather than believing a stamp."""
    calls: list[int] = []
    read = bundle._file.digests_at

    def watched(offset: int, size: int) -> tuple[bytes, int]:
        calls.append(size)
        return read(offset, size)

    bundle._file.digests_at = watched  # type: ignore[method-assign]
    bundle.weights()
    return bool(calls)


def test_a_sound_bundle_answers_its_parts(bundle_file: Path, forge: Forge) -> None:
    with open_bundle(bundle_file) as bundle:
        assert bundle.source == SOURCE
        assert bundle.source_sha256 == hashlib.sha256(SOURCE.encode()).hexdigest()
        assert bundle.graph == forge.contents["model.onnx"]
        assert bundle.contract.fields[0].path == "data/flux"
        assert bundle.manifest.outputs[0].classes == ("star", "galaxy", "quasar")
        assert all(bundle.read(name) == data for name, data in forge.contents.items())


def test_the_bundle_id_is_the_digest_of_the_manifest(bundle_file: Path, forge: Forge) -> None:
    with open_bundle(bundle_file) as bundle:
        assert bundle.id == "sha256:" + hashlib.sha256(forge.manifest()).hexdigest()


def test_a_bundle_without_code_or_weights_has_neither(forge: Forge, tmp_path: Path) -> None:
    from tests.runtime.file.test_every_bit import small_bundle

    path = tmp_path / "small.hyrax"
    path.write_bytes(small_bundle())
    with open_bundle(path) as bundle:
        assert bundle.weights() is None
    path.write_bytes(forge.free_of_code().data())
    with open_bundle(path) as bundle:
        assert bundle.source is None
        assert bundle.source_sha256 is None


def test_weights_are_mapped_read_only_and_outlive_the_bundle(bundle_file: Path) -> None:
    with open_bundle(bundle_file) as bundle:
        weights = bundle.weights()
    assert weights is not None
    assert weights.readonly
    assert bytes(weights) == linear_weights()


@pytest.mark.parametrize("path", [b"bytes.hyrax", None, 3, {}])
def test_what_is_no_path_is_wrong_usage(path: Any) -> None:
    with pytest.raises(UsageError, match=f"by its path, not by a {type(path).__name__}"):
        open_bundle(path)


def test_a_bundle_that_was_closed_says_so(bundle_file: Path) -> None:
    bundle = open_bundle(bundle_file)
    bundle.close()
    with pytest.raises(UnreadableError, match=r"was closed; open it again"):
        bundle.read("model.onnx")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"nowhere\.hyrax: cannot be opened \(No such file or directory\)"):
        open_bundle(tmp_path / "nowhere.hyrax")


def test_a_folder_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"is a folder; expected a \.hyrax file"):
        open_bundle(tmp_path)


def test_a_name_with_nul_is_no_path() -> None:
    with pytest.raises(UnreadableError, match="cannot be opened"):
        open_bundle("a\0b.hyrax")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_that_nobody_writes_to_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.hyrax")
    with pytest.raises(UnreadableError, match="is no regular file"):
        open_bundle(tmp_path / "pipe.hyrax")


def test_a_symbolic_link_to_a_bundle_is_followed(bundle_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "latest.hyrax"
    link.symlink_to(bundle_file)
    with open_bundle(link) as bundle:
        assert bundle.path == link


def test_opening_writes_nothing_and_imports_nothing_of_the_bundle(bundle_file: Path, tmp_path: Path) -> None:
    open_bundle(bundle_file).close()
    before = sorted(tmp_path.rglob("*")), set(sys.modules), list(sys.path)
    with open_bundle(bundle_file) as bundle:
        assert bundle.source
    assert (sorted(tmp_path.rglob("*")), set(sys.modules), list(sys.path)) == before


def test_opening_needs_neither_numpy_nor_onnxruntime(bundle_file: Path) -> None:
    code = f"""
        import sys
        from hyrax_runtime.bundle import open_bundle
        from hyrax_runtime.trust_store import TrustStore
        open_bundle({str(bundle_file)!r})
        print(sorted({{"numpy", "onnxruntime", "torch", "onnx"}} & set(sys.modules)))
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_a_module_beside_the_bundle_is_not_imported(bundle_file: Path, tmp_path: Path) -> None:
    (tmp_path / "msgpack.py").write_text("open('MARK', 'w').close()")
    (tmp_path / "numpy.py").write_text("open('MARK', 'w').close()")
    code = f"from hyrax_runtime.bundle import open_bundle; print(open_bundle({str(bundle_file)!r}).source_sha256)"
    subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert not (tmp_path / "MARK").exists()


def test_the_same_bytes_are_hashed_and_handed_out(bundle_file: Path, forge: Forge) -> None:
    """A text changed on disk after it was verified is refused when it is read, so it can never run."""
    with open_bundle(bundle_file) as bundle:
        data = bundle_file.read_bytes()
        at = data.index(SOURCE.encode())
        with bundle_file.open("r+b") as file:
            file.seek(at + 4)
            file.write(b"T")
        with pytest.raises(DigestError, match=r"the bytes of to_tensor\.py are not those"):
            _ = bundle.source


def test_a_file_replaced_by_a_rename_goes_on_as_the_old_one(bundle_file: Path, tmp_path: Path, forge: Forge) -> None:
    forge.plain["name"] = "successor"
    with open_bundle(bundle_file) as bundle:
        (tmp_path / "new").write_bytes(forge.data())
        (tmp_path / "new").replace(bundle_file)
        assert bundle.source == SOURCE
        weights = bundle.weights()
        assert weights is not None
        assert bytes(weights) == linear_weights()
    with open_bundle(bundle_file) as bundle:
        assert bundle.manifest.name == "successor"


def test_a_file_that_shrank_while_it_was_open_is_refused(bundle_file: Path) -> None:
    with open_bundle(bundle_file) as bundle:
        os.truncate(bundle_file, 4096)
        with pytest.raises(ChangedError, match="replace bundles with a rename, never in place"):
            bundle.weights()


def test_a_file_that_shrinks_while_it_is_hashed_is_refused(bundle_file: Path) -> None:
    with open_bundle(bundle_file) as bundle:
        os.truncate(bundle_file, 16_384)
        with pytest.raises(SizeError, match="too soon"):
            bundle._file.digests_at(bundle._places["weights.bin"].data_at, 76)


@pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="this system ends no process for a map that lost its file")
def test_truncating_a_mapped_copy_in_place_ends_the_process_as_documented(bundle_file: Path) -> None:
    """docs/bundle-format.md names this limit: a live map cannot survive its file being cut in place."""
    code = f"""
        import os
        from hyrax_runtime.bundle import open_bundle
        weights = open_bundle({str(bundle_file)!r}).weights()
        os.truncate({str(bundle_file)!r}, 0)
        print(weights[0])
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert found.returncode == -signal.SIGBUS


def test_weights_are_hashed_once_and_then_a_stamp_is_believed(bundle_file: Path) -> None:
    age(bundle_file)
    with open_bundle(bundle_file) as first, open_bundle(bundle_file) as second:
        assert hashed_weights(first)
        assert not hashed_weights(second)


def test_a_file_too_young_to_tell_a_second_change_gets_no_stamp(bundle_file: Path) -> None:
    age(bundle_file)
    bundle_file.touch()
    with open_bundle(bundle_file) as first, open_bundle(bundle_file) as second:
        assert hashed_weights(first)
        assert hashed_weights(second)


def test_a_stamp_is_for_one_file_not_for_its_copy(bundle_file: Path, tmp_path: Path) -> None:
    age(bundle_file)
    with open_bundle(bundle_file) as bundle:
        bundle.weights()
    copy = tmp_path / "copy.hyrax"
    copy.write_bytes(bundle_file.read_bytes())
    with open_bundle(copy) as bundle:
        assert hashed_weights(bundle)


def test_weights_changed_after_the_stamp_are_refused(bundle_file: Path) -> None:
    age(bundle_file)
    with open_bundle(bundle_file) as bundle:
        bundle.weights()
    times = bundle_file.stat()
    with bundle_file.open("r+b") as file:
        file.seek(bundle_file.read_bytes().index(linear_weights()))
        file.write(b"\x01")
    os.utime(bundle_file, ns=(times.st_atime_ns, times.st_mtime_ns))
    with open_bundle(bundle_file) as bundle, pytest.raises(DigestError, match=r"weights\.bin"):
        bundle.weights()


@pytest.mark.skipif(sys.platform == "win32", reason="file modes do not say who may write there")
def test_stamps_in_a_folder_that_others_may_write_to_are_not_believed(bundle_file: Path) -> None:
    age(bundle_file)
    with open_bundle(bundle_file) as bundle:
        bundle.weights()
    Path(user_cache_folder(), "verified").chmod(0o777)
    with open_bundle(bundle_file) as bundle:
        assert hashed_weights(bundle)


def test_a_cache_that_cannot_be_written_is_no_error(bundle_file: Path, own_home: Path) -> None:
    age(bundle_file)
    (own_home / "cache").write_text("a file where a folder should be")
    with open_bundle(bundle_file) as bundle:
        assert bundle.weights() is not None


def test_threads_share_one_bundle(bundle_file: Path, forge: Forge) -> None:
    failures: list[object] = []
    with open_bundle(bundle_file) as bundle:

        def read_all() -> None:
            for _ in range(50):
                for name, data in forge.contents.items():
                    if bundle.read(name) != data or bundle.weights() is not bundle.weights():
                        failures.append(name)

        threads = [threading.Thread(target=read_all) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_reads_beside_its_parent(bundle_file: Path) -> None:
    code = f"""
        import os
        from hyrax_runtime.bundle import open_bundle
        bundle = open_bundle({str(bundle_file)!r})
        children = []
        for _ in range(4):
            child = os.fork()
            if child == 0:
                sound = all(bundle.read("model.onnx") == bundle.graph for _ in range(200))
                os._exit(0 if sound and bytes(bundle.weights()) else 1)
            children.append(child)
        sound = all(bundle.read("model.onnx") == bundle.graph for _ in range(200))
        print(sound, [os.waitpid(child, 0)[1] for child in children])
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert found.stdout == "True [0, 0, 0, 0]\n"


@pytest.fixture
def huge_file(tmp_path: Path) -> Path:
    """A bundle with 5 GiB of weights, all of them a hole in the file: it takes no room on the disk."""
    length = 5 << 30
    weight = protobuf.in_weights("weight", (length // 4,), 0, length)
    nodes = [protobuf.node("Mul", ["x", "weight"], ["scores"])]
    ports = [protobuf.value_info("x", 1, "N", 4)], [protobuf.value_info("scores", 1, "N", 3)]
    forge = Forge().remove("weights.bin").put("model.onnx", protobuf.model(protobuf.graph(nodes, *ports, [weight])))
    row = {"name": "weights.bin", "size": length, "crc32": 0, "sha256": bytes(32), "role": "weights", "align": 16384}
    forge.plain["members"].append(row)
    manifest = forge.manifest()
    layout = container.lay_out([*forge.entries(manifest), container.Entry("weights.bin", length, 0, 16384)])
    contents = [container.head_bytes(manifest), manifest, *forge.contents.values(), b""]
    path = tmp_path / "huge.hyrax"
    with path.open("wb") as file:
        for place, content in zip(layout.places, contents, strict=True):
            file.write(place.header + content)
        file.seek(layout.tail_at)
        file.write(layout.tail)
    return path


def test_a_bundle_over_4_gib_opens_and_its_weights_are_mapped(huge_file: Path) -> None:
    with open_bundle(huge_file) as bundle:
        weights = bundle.weights(verify=False)
    assert weights is not None
    assert weights.nbytes == 5 << 30
    assert weights[-1] == 0


def test_every_bit_of_the_zip64_records_is_covered_too(huge_file: Path) -> None:
    size = huge_file.stat().st_size
    with open_bundle(huge_file) as bundle:
        place = bundle._places["weights.bin"]
        header, tail = range(place.header_at, place.header_at + 80), range(bundle._layout.tail_at, size)
    with huge_file.open("r+b") as file:
        for position in [*header, *tail]:
            file.seek(position)
            byte = file.read(1)[0]
            for bit in range(8):
                file.seek(position)
                file.write(bytes([byte ^ 1 << bit]))
                file.flush()
                with pytest.raises(HeaderError):
                    open_bundle(huge_file)
            file.seek(position)
            file.write(bytes([byte]))
            file.flush()
    open_bundle(huge_file).close()


def test_every_error_of_the_family_has_a_code_of_its_own() -> None:
    def below(kind: type[HyraxError]) -> list[type[HyraxError]]:
        return [kind, *(found for child in kind.__subclasses__() for found in below(child))]

    kinds = {kind for kind in below(HyraxError) if kind.__module__ == "hyrax_runtime.errors"}
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
