"""Writing a bundle: the same bytes for the same parts, all of it or nothing, and little memory."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hyrax_runtime.bundle import open_bundle
from hyrax_runtime.errors import BundleError, DigestError, ManifestError
from hyrax_runtime.manifest import Manifest, Member
from hyrax_runtime.manifest_parsing import parse_manifest

from hyrax_pack.errors import PackError
from hyrax_pack.packing.writing import MemberSource, member_of, weights_of, write_bundle
from tests.runtime.file.forge import BIAS, WEIGHTS, Forge, floats, row_of

HERE = Path(__file__).parent


def manifest_of(name: str = "linear") -> Callable[[tuple[Member, ...]], Manifest]:
    plain = Forge().plain | {"name": name}
    return lambda members: replace(parse_manifest(plain, "forge"), members=members)


def sources() -> list[MemberSource]:
    """The parts of the forge's bundle, its weights tensor by tensor."""
    contents = Forge().contents
    small = [
        member_of(name, row_of(name, data)["role"], data) for name, data in contents.items() if "weights" not in name
    ]
    weight, bias = floats(*(w for row in WEIGHTS for w in row)), floats(*BIAS)
    return [*small, weights_of([(len(weight), lambda: weight), (len(bias), lambda: bias)])]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_bytes_are_those_that_the_layout_says(tmp_path: Path) -> None:
    identity = write_bundle(tmp_path / "linear.hyrax", manifest_of(), sources())
    assert (tmp_path / "linear.hyrax").read_bytes() == Forge().data()
    with open_bundle(tmp_path / "linear.hyrax") as bundle:
        assert bundle.id == identity
    assert names_in(tmp_path) == ["linear.hyrax"]


def test_the_same_parts_give_the_same_bytes_in_whatever_order_they_come(tmp_path: Path) -> None:
    identities = set()
    for number in range(3):
        shuffled = sources()
        random.Random(number).shuffle(shuffled)
        identities.add(write_bundle(tmp_path / f"{number}.hyrax", manifest_of(), shuffled))
        time.sleep(0.01)
    assert len(identities) == 1
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_a_file_that_is_there_is_replaced_only_when_the_new_one_is_proven(tmp_path: Path) -> None:
    path = tmp_path / "linear.hyrax"
    write_bundle(path, manifest_of(), sources())
    old = path.read_bytes()

    def proves(temporary: Path) -> None:
        assert path.read_bytes() == old
        with open_bundle(temporary) as bundle:
            assert bundle.manifest.name == "successor"

    write_bundle(path, manifest_of("successor"), sources(), proves)
    with open_bundle(path) as bundle:
        assert bundle.manifest.name == "successor"


def test_what_is_not_proven_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "linear.hyrax"
    write_bundle(path, manifest_of(), sources())
    old = path.read_bytes()

    def fails(temporary: Path) -> None:
        raise DigestError("drifts")

    with pytest.raises(DigestError, match="drifts"):
        write_bundle(path, manifest_of("successor"), sources(), fails)
    assert path.read_bytes() == old
    assert names_in(tmp_path) == ["linear.hyrax"]


def test_an_interrupted_proof_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(temporary: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "linear.hyrax", manifest_of(), sources(), interrupted)
    assert names_in(tmp_path) == []


def test_a_source_that_gives_other_bytes_the_second_time_is_refused(tmp_path: Path) -> None:
    counter = iter(range(100))
    moving = MemberSource("to_tensor.py", "to_tensor", 4, lambda: [b"%04d" % next(counter)])
    changed = [moving if source.name == "to_tensor.py" else source for source in sources()]
    with pytest.raises(DigestError):
        write_bundle(tmp_path / "linear.hyrax", manifest_of(), changed)
    assert names_in(tmp_path) == []


def test_a_source_that_gives_another_size_than_it_announced_is_named(tmp_path: Path) -> None:
    short = MemberSource("card.md", "card", 5, lambda: [b"card"])
    with pytest.raises(PackError, match=r"card\.md: its source gives 4 bytes where it announced 5"):
        write_bundle(tmp_path / "linear.hyrax", manifest_of(), [*sources(), short])


def test_a_manifest_that_no_reader_would_take_is_never_written(tmp_path: Path) -> None:
    def broken(members: tuple[Member, ...]) -> Manifest:
        manifest = manifest_of()(members)
        return replace(manifest, outputs=(replace(manifest.outputs[0], tolerance=float("inf")),))

    with pytest.raises(BundleError):
        write_bundle(tmp_path / "linear.hyrax", broken, sources())
    with pytest.raises(ManifestError, match="no golden column names it"):
        write_bundle(tmp_path / "a.hyrax", manifest_of(), [*sources(), member_of("golden/x.bin", "golden", b"?")])
    assert names_in(tmp_path) == []


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"cannot be written \(No such file or directory\)"):
        write_bundle(tmp_path / "nowhere" / "linear.hyrax", manifest_of(), sources())


def test_a_folder_is_no_file_name(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="is a folder; give the bundle a file name"):
        write_bundle(tmp_path, manifest_of(), sources())


@pytest.mark.skipif(sys.platform == "win32", reason="no umask")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)], ids=oct)
def test_the_umask_is_respected(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_bundle(tmp_path / "linear.hyrax", manifest_of(), sources())
    finally:
        os.umask(before)
    assert (tmp_path / "linear.hyrax").stat().st_mode & 0o777 == mode


def test_two_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "linear.hyrax"

    def write_often(name: str) -> None:
        for _ in range(10):
            write_bundle(path, manifest_of(name), sources())

    threads = [threading.Thread(target=write_often, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            with open_bundle(path) as bundle:
                assert bundle.manifest.name in ("one", "two")
    assert names_in(tmp_path) == ["linear.hyrax"]


@pytest.mark.skipif(sys.platform == "win32", reason="what a killed writer left is cleared by locks")
def test_what_a_killed_writer_left_is_cleared_by_the_next_and_what_a_living_one_holds_is_not(tmp_path: Path) -> None:
    import fcntl

    long_ago = time.time() - 3600
    abandoned, held, young, other = (
        tmp_path / f".{name}.partial"
        for name in ("linear.hyrax.aa", "linear.hyrax.bb", "linear.hyrax.cc", "other.hyrax.dd")
    )
    for path in (abandoned, held, young, other):
        path.write_bytes(b"?")
        if path is not young:
            os.utime(path, (long_ago, long_ago))
    with held.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        write_bundle(tmp_path / "linear.hyrax", manifest_of(), sources())
    assert names_in(tmp_path) == sorted(["linear.hyrax", held.name, young.name, other.name])


def test_tensors_stand_at_multiples_of_64_with_zeros_between() -> None:
    source = weights_of([(3, lambda: b"abc"), (64, lambda: memoryview(bytes(range(64)))), (1, lambda: b"z")])
    data = b"".join(map(bytes, source.buffers()))
    assert source.size == len(data) == 129
    assert data == b"abc" + bytes(61) + bytes(range(64)) + b"z"


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes")
def test_a_disk_that_refuses_more_bytes_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "large.hyrax"
    found = in_a_child(path, 1, before="import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000,) * 2)")
    assert found.returncode == 1
    assert "cannot be written (File too large); nothing was left behind" in found.stderr
    assert names_in(tmp_path) == []


WRITER = """
import json, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.pack.packing.test_writing import large_sources, manifest_of
from hyrax_pack.packing.writing import write_bundle
from hyrax_pack.errors import PackError
{before}
try:
    write_bundle(Path({path!r}), manifest_of({name!r}), large_sources({size_mib}))
except PackError as error:
    sys.exit(str(error))
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0] if Path("/proc/self/status").exists() else 0)
"""
TENSOR = 1 << 20


def large_sources(size_mib: int) -> Iterator[MemberSource]:
    """The forge's bundle with a weight of 1 MiB tensors, each made when it is asked for."""
    from tests.runtime.file import protobuf

    names = [f"t{number}" for number in range(size_mib)]
    tensors = [protobuf.in_weights(name, (TENSOR // 4,), at * TENSOR, TENSOR) for at, name in enumerate(names)]
    nodes = [protobuf.node("Identity", ["x"], ["scores"])]
    ports = [protobuf.value_info("x", 1, "N", 4)], [protobuf.value_info("scores", 1, "N", 3)]
    graph = protobuf.model(protobuf.graph(nodes, *ports, tensors))
    yield member_of("model.onnx", "graph", graph)
    yield from (source for source in sources() if source.role not in ("graph", "weights"))
    yield weights_of([(TENSOR, lambda at=at: at.to_bytes(4, "little") * (TENSOR // 4)) for at in range(size_mib)])


def in_a_child(path: Path, size_mib: int, *, name: str = "new", before: str = "") -> subprocess.CompletedProcess[str]:
    """Write a bundle of `size_mib` MiB in a process of its own, which prints its peak memory in KiB."""
    return subprocess.run(command(path, size_mib, name, before), capture_output=True, text=True, check=False)


def command(path: Path, size_mib: int, name: str, before: str = "") -> list[str]:
    root = str(HERE.parents[2])
    code = WRITER.format(root=root, path=str(path), size_mib=size_mib, name=name, before=before)
    return [sys.executable, "-c", code]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell a process's peak memory")
def test_writing_adds_little_memory_whatever_the_size(tmp_path: Path) -> None:
    peaks = [int(in_a_child(tmp_path / f"{size}.hyrax", size).stdout) for size in (1, 192)]
    assert peaks[1] - peaks[0] < 0.1 * 192 * 1024


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell a process's peak memory")
def test_writing_2200_mebibytes_adds_at_most_a_tenth_to_the_peak(tmp_path: Path) -> None:
    peaks = [int(in_a_child(tmp_path / "large.hyrax", size).stdout) for size in (1, 2253)]
    print(f"peak memory {peaks[0]} KiB for 1 MiB, {peaks[1]} KiB for 2,253 MiB")
    assert peaks[1] - peaks[0] < 0.1 * 2253 * 1024


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_writer_killed_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path, size_mib = tmp_path / "killed.hyrax", 8
    write_bundle(path, manifest_of("old"), list(large_sources(size_mib)))
    old = path.read_bytes()
    started = time.monotonic()
    write_bundle(path, manifest_of("new"), list(large_sources(size_mib)))
    lasts, new = time.monotonic() - started, path.read_bytes()
    moments, seen, leftovers = random.Random(4), {"old": 0, "new": 0}, 0
    for _ in range(200):
        path.write_bytes(old)
        if (child := os.fork()) == 0:
            write_bundle(path, manifest_of("new"), list(large_sources(size_mib)))
            os._exit(0)
        time.sleep(moments.uniform(0, 2) * lasts)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = path.read_bytes()
        assert found in (old, new)
        seen["new" if found == new else "old"] += 1
        for leftover in tmp_path.glob(".killed.hyrax.*.partial"):
            leftover.unlink()
            leftovers += 1
    print(f"{seen} of 200, {leftovers} while the temporary file was there")
    assert min(seen.values()) > 0
    assert leftovers > 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed: no file system of our own")
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    write_old, write_new = command(disk / "a.hyrax", 1, "old"), command(disk / "a.hyrax", 4, "new")
    script = f"""
        mount -t tmpfs -o size=3m none {disk} || exit 77
        "$0" -c "$1" > /dev/null || exit 78
        cp {disk}/a.hyrax {tmp_path}/before
        "$0" -c "$2" && exit 79
        cp {disk}/a.hyrax {tmp_path}/after
        ls -A {disk} > {tmp_path}/names
    """
    arguments = ["unshare", "--mount", "sh", "-c", script, sys.executable, write_old[2], write_new[2]]
    found = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if found.returncode in (1, 77):
        pytest.skip(f"no file system of our own here: {found.stderr.strip()[:200]}")
    assert found.returncode == 0, found.stderr
    assert "No space left on device" in found.stderr
    assert "free some space and export again" in found.stderr
    assert (tmp_path / "after").read_bytes() == (tmp_path / "before").read_bytes()
    assert (tmp_path / "names").read_text() == "a.hyrax\n"
