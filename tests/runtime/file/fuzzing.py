"""What a fuzzer feeds the reader: bytes on four ways in, of which none may end in anything but a HyraxError.

By hand, guided by coverage (pip install atheris; an hour, one process):

    python -m tests.runtime.file.fuzzing -max_total_time=3600 -max_len=4096

In CI, hypothesis goes the same ways with few examples (test_fuzzing.py).
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from hyrax_runtime.bundle import open_bundle
from hyrax_runtime.errors import HyraxError
from hyrax_runtime.graph_gate import read_graph
from hyrax_runtime.graph_inlining import inline_weights
from hyrax_runtime.graph_tensors import check_tiling
from hyrax_runtime.manifest_encoding import decode_manifest, encode_manifest
from hyrax_runtime.manifest_parsing import manifest_to_plain, parse_manifest
from hyrax_runtime.replay_text import check_text

from tests.runtime.file.forge import Forge

WAYS = 4


def try_way(way: int, data: bytes, path: Path) -> bool:
    """Feed `data` to one way in; True where it was accepted. Any error but HyraxError is the caller's to see.

    0 a whole file; 1 a manifest under a head that names it; 2 a graph; 3 a text of to_tensor.
    """
    try:
        if way == 0:
            _open(path, data)
        elif way == 1:
            plain = decode_manifest(data, "fuzz")
            manifest = parse_manifest(plain, "fuzz")
            assert (
                parse_manifest(decode_manifest(encode_manifest(manifest_to_plain(manifest)), "fuzz"), "fuzz")
                == manifest
            )
            _open(path, Forge().data(data))
        elif way == 2:
            facts = read_graph(data, "fuzz")
            size = max((extent.offset + extent.length for extent in facts.extents), default=0)
            check_tiling(facts.extents, size or None, "fuzz")
            if size <= 1 << 20:
                inside = b"".join(inline_weights(data, memoryview(bytes(size)), "fuzz"))
                again = read_graph(inside, "fuzz")
                assert again.extents == ()
                assert (again.inputs, again.outputs) == (facts.inputs, facts.outputs)
        else:
            check_text(data, "fuzz")
    except HyraxError:
        return False
    return True


def _open(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with open_bundle(path) as bundle:
        bundle.weights(stamp=False)


def seeds() -> list[bytes]:
    """One sound input for each way, with the way in front."""
    forge = Forge()
    sound = [forge.data(), forge.manifest(), forge.contents["model.onnx"], forge.contents["to_tensor.py"]]
    return [bytes([way]) + data for way, data in enumerate(sound)]


def main() -> None:
    import atheris  # only here: it is no dependency of the tests

    atheris.instrument_all()
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds()):
        (corpus / str(number)).write_bytes(seed)

    def feed(data: bytes) -> None:
        if data:
            try_way(data[0] % WAYS, data[1:], folder / "fuzz.hyrax")

    atheris.Setup([*sys.argv, str(corpus)], feed)
    atheris.Fuzz()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
