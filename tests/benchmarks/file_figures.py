"""The file's figures on this machine: what is refused, how soon a large bundle is ready, and in how much memory.

    python -m tests.benchmarks.file_figures [--only NAME ...] [--mib 512] [--json]

Needs neither torch nor onnx. docs/benchmarks.md says what was found.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from hyrax_runtime import container
from hyrax_runtime.bundle import open_bundle
from hyrax_runtime.container import Entry
from hyrax_runtime.errors import HyraxError
from hyrax_runtime.graph_gate import read_graph

from tests.runtime.file import protobuf as pb
from tests.runtime.file.forge import Forge, column, floats
from tests.runtime.file.hostile import ALL
from tests.runtime.file.test_every_bit import small_bundle, undetected

SIDE = 4096  # of each square weight: 64 MiB of float32


@dataclass(frozen=True)
class Figure:
    """What was measured, in which unit, what it must reach, and whether it does."""

    name: str
    value: float
    unit: str
    must: str
    reached: bool
    detail: str


def least_ms(call: Callable[[], object], repeats: int) -> float:
    """The least time of one call: what else the machine does can only add."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return 1e3 * min(times)


def open_and_close(path: Path) -> None:
    open_bundle(path).close()


def bits(folder: Path, mib: int) -> Iterator[Figure]:
    """Every bit and every truncation of a small bundle."""
    path, data = folder / "small.hyrax", small_bundle()
    path.write_bytes(data)
    unseen = undetected(path, data, range(len(data)))
    yield Figure("bits unseen", len(unseen), "", "0", not unseen, f"of {8 * len(data):,} single-bit flips")
    unseen_cuts = 0
    for size in range(len(data) - 1, -1, -1):
        os.truncate(path, size)
        try:
            open_and_close(path)
            unseen_cuts += 1
        except HyraxError:
            pass
    yield Figure("truncations unseen", unseen_cuts, "", "0", not unseen_cuts, f"of {len(data):,}")


def hostile(folder: Path, mib: int) -> Iterator[Figure]:
    """The slowest refusal of a hostile file."""
    slowest = ("", 0.0)
    path = folder / "hostile.hyrax"
    for case in ALL:
        path.write_bytes(case.make())

        def refuse() -> None:
            try:
                with open_bundle(path) as bundle:
                    bundle.weights(stamp=False)
            except HyraxError:
                return
            raise AssertionError("accepted")

        slowest = max(slowest, (case.title, least_ms(refuse, 3)), key=lambda one: one[1])
    yield Figure("slowest refusal", slowest[1], "ms", "< 50", slowest[1] < 50, f"{slowest[0]}, of {len(ALL)} files")


def opening(folder: Path, mib: int) -> Iterator[Figure]:
    """Opening a small bundle, one of 200 members, and a graph of 5,000 nodes."""
    path = folder / "small.hyrax"
    path.write_bytes(Forge().data())
    yield Figure("opening a small bundle", least_ms(lambda: open_and_close(path), 50), "ms", "-", True, "")
    many = folder / "many.hyrax"
    members = write_many(many)
    taken = least_ms(lambda: open_and_close(many), 30)
    yield Figure("opening 200 members", taken, "ms", "<= 5", taken <= 5, f"{members} members")
    attributes = (pb.block(1, "group") + pb.number(3, 1) + pb.number(20, 2),)
    nodes = [pb.node("Conv", [f"a{n}", f"w{n}", f"b{n}"], [f"a{n + 1}"], *attributes) for n in range(5000)]
    graph = pb.model(pb.graph(nodes, [pb.value_info("x", 1, "N")], [pb.value_info("y", 1, "N")]))
    yield Figure("the gate on 5,000 nodes", least_ms(lambda: read_graph(graph, "graph"), 5), "ms", "-", True, "")


def write_many(path: Path) -> int:
    """A bundle of 200 members: ragged golden columns, three members each."""
    forge = Forge()
    fields, columns = forge.plain["contract"]["fields"], forge.plain["golden"]["input"]
    for number in range(64):
        name, stem = f"data/curve_{number}", f"golden/ragged-{number:02}"
        fields.append(fields[0] | {"path": name, "kind": "ragged", "shape": [f"curve_{number}.1", 2]})
        columns.append(
            column(name, [4], f"{stem}.bin")
            | {"kind": "ragged", "offsets": f"{stem}.offsets.bin", "shapes": f"{stem}.shapes.bin"}
        )
        forge.contents |= {f"{stem}.bin": floats(1, 2, 3, 4), f"{stem}.offsets.bin": bytes(24)}
        forge.contents[f"{stem}.shapes.bin"] = bytes(32)
    forge.put("weights.bin", forge.contents["weights.bin"])
    path.write_bytes(forge.data())
    return len(forge.contents) + 2


def write_large(path: Path, mib: int) -> int:
    """A chain of matrix products with `mib` MiB of weights, written piece by piece; the weights' size in bytes."""
    count, size = max(1, mib * (1 << 20) // (4 * SIDE * SIDE)), 4 * SIDE * SIDE
    names = ["x", *(f"t{number}" for number in range(count - 1)), "scores"]
    nodes = [pb.node("MatMul", [names[n], f"w{n}"], [names[n + 1]]) for n in range(count)]
    tensors = [pb.in_weights(f"w{n}", (SIDE, SIDE), n * size, size) for n in range(count)]
    ports = [pb.value_info("x", pb.FLOAT, "N", SIDE)], [pb.value_info("scores", pb.FLOAT, "N", SIDE)]
    forge = Forge().remove("weights.bin")
    forge.put("model.onnx", pb.model(pb.graph(nodes, *ports, tensors)))
    for name in ("golden/input-0.bin", "golden/tensor-0.bin", "golden/output-0.bin"):
        forge.put(name, bytes(8 * SIDE))
    plain = forge.plain
    for row in (*plain["graph"]["inputs"], *plain["preprocessing"]["slots"], *plain["outputs"]):
        row["shape"] = ["N", SIDE]
    plain["outputs"][0]["classes"] = None
    plain["contract"]["fields"][0]["shape"] = [SIDE]
    for part in ("input", "tensors", "outputs"):
        plain["golden"][part][0]["shape"] = [2, SIDE]
    block = floats(*(0.001 for _ in range(SIDE))) * SIDE
    digest, crc32 = sha256(), 0
    for _ in range(count):
        digest.update(block)
        crc32 = zlib.crc32(block, crc32)
    row = {"name": "weights.bin", "size": count * size, "crc32": crc32, "sha256": digest.digest(), "role": "weights"}
    plain["members"].append(row | {"align": container.WEIGHTS_ALIGN})
    manifest = forge.manifest()
    entries = [*forge.entries(manifest), Entry("weights.bin", count * size, crc32, container.WEIGHTS_ALIGN)]
    layout = container.lay_out(entries)
    with path.open("wb") as file:
        contents = [container.head_bytes(manifest), manifest, *forge.contents.values()]
        for place, content in zip(layout.places, [*contents, b""], strict=True):
            file.write(place.header + content)
        for _ in range(count):
            file.write(block)
        file.write(layout.tail)
    return count * size


# Answers: ms to a ready session, private dirty MiB of that, and, when all stand, the proportional share in MiB.
PROBE = """
import sys, time
from hyrax_runtime.bundle import open_bundle
from hyrax_runtime.session import open_session
import numpy as np

def account(name):
    with open("/proc/self/smaps_rollup") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024

dirty = account("Private_Dirty:")
open_session(open(sys.argv[2], "rb").read(), None)  # onnxruntime's own start is no part of opening a bundle
started = time.perf_counter()
with open_bundle(sys.argv[1]) as bundle:
    session = open_session(bundle.graph, bundle.weights(), memory="shared", threads=1)
    ready = 1e3 * (time.perf_counter() - started)
print(ready, account("Private_Dirty:") - dirty, flush=True)
session.run({"x": np.ones((1, session.inputs[0].shape[-1]), "f4")})
print("ran", flush=True)
sys.stdin.readline()
print(account("Pss:"), flush=True)
sys.stdin.readline()
"""


def probe(path: Path, small: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", PROBE, str(path), str(small)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def shared(folder: Path, mib: int) -> Iterator[Figure]:
    """A large bundle, opened again: time to a ready session, memory of one process and of four."""
    path, small = folder / "large.hyrax", folder / "identity.onnx"
    ports = [pb.value_info("x", pb.FLOAT, "N", 4)], [pb.value_info("y", pb.FLOAT, "N", 4)]
    small.write_bytes(pb.model(pb.graph([pb.node("Identity", ["x"], ["y"])], *ports)))
    size = write_large(path, mib)
    time.sleep(0.3)
    started = time.perf_counter()
    with open_bundle(path) as bundle:
        bundle.weights()
    first = time.perf_counter() - started
    yield Figure("hashing the weights, once", first / (size / (1 << 30)), "s/GiB", "-", True, f"{size >> 20} MiB")
    ready, dirty = [], []
    for _ in range(5):
        process = probe(path, small)
        milliseconds, mebibytes = map(float, answer(process))
        ready.append(milliseconds)
        dirty.append(mebibytes)
        process.communicate("\n\n")
    yield Figure("second open to a ready session", min(ready), "ms", "<= 20", min(ready) <= 20, "shared")
    yield Figure("private dirty memory", max(dirty), "MB", "<= 40", max(dirty) * 1.048576 <= 40, "of that")
    processes = [probe(path, small) for _ in range(4)]
    for process in processes:
        answer(process)
        answer(process)
    for process in processes:
        let_go(process)
    total = sum(float(answer(process)[0]) for process in processes)
    for process in processes:
        process.communicate("\n")
    share = total / (size >> 20)
    yield Figure("four processes' Pss", share, "x weights", "<= 1.4", share <= 1.4, f"{total:.0f} MiB in all")


GROUPS = {"bits": bits, "hostile": hostile, "opening": opening, "shared": shared}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")
        for name in arguments.only:
            for figure in GROUPS[name](Path(folder), arguments.mib):
                figures.append(figure)
                if not arguments.json:
                    verdict = "" if figure.must == "-" else ("reached" if figure.reached else "MISSED")
                    value = f"{figure.value:10.4g} {figure.unit:10}"
                    print(f"{figure.name:32} {value} {figure.must:8} {verdict:8} {figure.detail}", flush=True)
    if arguments.json:
        print(json.dumps([asdict(figure) for figure in figures], indent=2))
    return 0 if all(figure.reached for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
