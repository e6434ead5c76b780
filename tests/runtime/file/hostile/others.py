"""Other formats under our name, and members tampered with."""

from __future__ import annotations

import io
import pickle
import zipfile

from hyrax_runtime import container

from tests.runtime.file.forge import Forge
from tests.runtime.file.hostile.cases import Case


class _Runs:
    """What a pickle runs when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("open('MARK', 'w').close()",)


def _npz() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + pickle.dumps(_Runs()))
    return out.getvalue()


def _tampered(name: str) -> bytes:
    """One byte of a member changed, nothing else."""
    forge = Forge()
    data = bytearray(forge.data())
    layout = container.lay_out(forge.entries(forge.manifest()))
    place = next(place for place in layout.places if place.entry.name == name)
    data[place.data_at] ^= 0x40
    return bytes(data)


OTHERS: tuple[Case, ...] = (
    Case("a pickle", "container/magic", lambda: pickle.dumps(_Runs())),
    Case("a .npz of a pickle", "container/magic", _npz),
    Case("an HDF5 file", "container/magic", lambda: b"\x89HDF\r\n\x1a\n" + bytes(100)),
    Case("a web page", "container/magic", lambda: b"<!doctype html><title>404</title>" + bytes(100)),
    Case("a Git LFS pointer", "container/magic", lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
    Case("a transfer in text mode", "container/magic", lambda: Forge().data().replace(b"\r\n", b"\n", 1)),
    Case("format 2 in the head", "manifest/version", lambda: Forge().data().replace(b"HYRAX\x01", b"HYRAX\x02", 1)),
    Case("zeros", "container/magic", lambda: bytes(4096)),
    Case("tampered golden input", "container/digest", lambda: _tampered("golden/input-0.bin")),
    Case("tampered golden output", "container/digest", lambda: _tampered("golden/output-0.bin")),
    Case("a tampered graph", "container/digest", lambda: _tampered("model.onnx")),
    Case("a tampered text", "container/digest", lambda: _tampered("to_tensor.py")),
    Case("tampered weights", "container/digest", lambda: _tampered("weights.bin")),
    Case("a tampered manifest", "container/digest", lambda: _tampered("manifest.msgpack")),
)
