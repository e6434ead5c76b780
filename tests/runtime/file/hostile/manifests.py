"""Manifests that are no canonical msgpack, or say what no manifest may say."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

from tests.runtime.file.forge import Forge, pack
from tests.runtime.file.hostile.cases import Case

ENCODING, SCHEMA = "manifest/encoding", "manifest/schema"


def _raw(change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    """A file whose head names the changed manifest, so that only the decoder can refuse it."""

    def make() -> bytes:
        forge = Forge()
        return forge.data(change(forge.manifest()))

    return make


def _changed(change: Callable[[dict[str, Any]], object]) -> Callable[[], bytes]:
    def make() -> bytes:
        forge = Forge()
        change(forge.plain)
        return forge.data()

    return make


def _with_entry(key: bytes, value: bytes) -> Callable[[bytes], bytes]:
    """One more entry at the end of the top-level map, whose keys all sort before `x-`."""
    return lambda manifest: bytes([manifest[0] + 1]) + manifest[1:] + key + value


X = b"\xa3x-a"


def _nested(depth: int) -> bytes:
    return b"\x91" * depth + b"\xc0"


def _put(place: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set what stands at a dotted path."""

    def change(plain: dict[str, Any]) -> None:
        *way, last = place.split(".")
        target: Any = plain
        for step in way:
            target = target[int(step) if isinstance(target, list) else step]
        target[int(last) if isinstance(target, list) else last] = value

    return change


MANIFESTS: tuple[Case, ...] = (
    Case("no msgpack", ENCODING, _raw(lambda m: b"\xc1")),
    Case("cut msgpack", ENCODING, _raw(lambda m: m[:-1])),
    Case("trailing bytes", ENCODING, _raw(lambda m: m + b"\0")),
    Case("a list", ENCODING, _raw(lambda m: b"\x90")),
    Case("a map of 2^32 - 1 entries", ENCODING, _raw(lambda m: b"\xdf\xff\xff\xff\xff")),
    Case("a list of 2^32 - 1 rows", ENCODING, _raw(_with_entry(X, b"\xdd\xff\xff\xff\xff"))),
    Case("a text of 2^32 - 1 bytes", ENCODING, _raw(_with_entry(X, b"\xdb\xff\xff\xff\xff"))),
    Case("bytes of 2^32 - 1", ENCODING, _raw(_with_entry(X, b"\xc6\xff\xff\xff\xff"))),
    Case("a text of 65 KiB", ENCODING, _raw(_with_entry(X, b"\xda\xff\xff" * 2 + b"a" * 66_000))),
    Case("depth 17", ENCODING, _raw(_with_entry(X, _nested(16)))),
    Case("depth 500", ENCODING, _raw(_with_entry(X, _nested(500)))),
    Case("depth 4 million", ENCODING, _raw(lambda m: b"\x91" * (4 << 20))),
    Case("4 million values in one-byte lists", ENCODING, _raw(lambda m: (b"\xdc\xff\xff" + b"\x90" * 65_535) * 63)),
    Case(
        "4 million values in a map of lists",
        ENCODING,
        _raw(lambda m: b"\x81\xa1a\xdc\x00\x3f" + (b"\xdc\xff\xff" + b"\x01" * 65_535) * 63),
    ),
    Case("a map of 4,097 keys", ENCODING, _changed(_put("x-a", {str(n): 0 for n in range(4097)}))),
    Case("a duplicate key", ENCODING, _raw(_with_entry(b"\xa7outputs", b"\x90"))),
    Case("keys out of order", ENCODING, _raw(_with_entry(b"\xa3x-b", b"\x82\xa1b\x01\xa1a\x01"))),
    Case("a bytes key", ENCODING, _raw(_with_entry(b"\xc4\x03x-a", b"\x01"))),
    Case("an int key", ENCODING, _raw(_with_entry(b"\x01", b"\x01"))),
    Case("a list as key", ENCODING, _raw(_with_entry(b"\x90", b"\x01"))),
    Case("an int longer than needed", ENCODING, _raw(_with_entry(X, b"\xcc\x01"))),
    Case("a text longer than needed", ENCODING, _raw(_with_entry(X, b"\xd9\x01a"))),
    Case("a list longer than needed", ENCODING, _raw(_with_entry(X, b"\xdc\x00\x00"))),
    Case("a map longer than needed", ENCODING, _raw(_with_entry(X, b"\xde\x00\x00"))),
    Case("a float of 32 bits", ENCODING, _raw(_with_entry(X, b"\xca" + struct.pack(">f", 1.0)))),
    Case("NaN", ENCODING, _changed(_put("x-a", math.nan))),
    Case("infinity", ENCODING, _changed(_put("metrics.validate/loss", math.inf))),
    Case("an infinite tolerance", ENCODING, _changed(_put("outputs.0.tolerance", math.inf))),
    Case("an extension type", ENCODING, _raw(_with_entry(X, b"\xd4\x05\x00"))),
    Case("an extension type of no bytes", ENCODING, _raw(_with_entry(X, b"\xc7\x00\x05"))),
    Case("a timestamp", ENCODING, _raw(_with_entry(X, b"\xd6\xff" + bytes(4)))),
    Case("a text that is no UTF-8", ENCODING, _raw(_with_entry(X, b"\xa2\xff\xfe"))),
    Case("a text with a lone surrogate", ENCODING, _raw(_with_entry(X, b"\xa3\xed\xa0\x80"))),
    Case("a byte that no type begins with", ENCODING, _raw(_with_entry(X, b"\xc1"))),
    Case("a map of nothing", SCHEMA, _raw(lambda m: b"\x80")),
    Case("a map of bytes", SCHEMA, _raw(lambda m: pack({"members": b""}))),
    Case("another major version", "manifest/version", _changed(_put("format.major", 2))),
    Case("a key of tomorrow", SCHEMA, _changed(_put("trust", "everyone"))),
    Case("a bool for a size", SCHEMA, _changed(_put("members.0.size", True))),
    Case("a role twice", SCHEMA, _changed(lambda plain: plain["members"].insert(0, plain["members"][0]))),
    Case("a name out of the folder", SCHEMA, _changed(_put("members.2.name", "golden/../../evil.bin"))),
    Case("an absolute name", SCHEMA, _changed(_put("members.2.name", "/etc/passwd"))),
    Case("a name with a drive", SCHEMA, _changed(_put("members.2.name", "c:evil.bin"))),
    Case("a name with NUL", SCHEMA, _changed(_put("members.2.name", "golden/a\0.bin"))),
    Case("a device's name", SCHEMA, _changed(_put("members.2.name", "golden/con.bin"))),
    Case("a name of other letters", SCHEMA, _changed(_put("members.2.name", "golden/ïnput.bin"))),
    Case("a numpy.py among the members", SCHEMA, _changed(_put("members.2.name", "numpy.py"))),
    Case("dtype O", SCHEMA, _changed(_put("golden.input.0.dtype", "O"))),
    Case("a structured dtype", SCHEMA, _changed(_put("golden.input.0.dtype", "f4,(1000000000)f4"))),
    Case("dimension -1", SCHEMA, _changed(_put("golden.input.0.shape", [2, -1]))),
    Case("dimension 2^63", SCHEMA, _changed(_put("golden.input.0.shape", [2, 1 << 63]))),
    Case("a product over 64 bits", SCHEMA, _changed(_put("golden.input.0.shape", [2, 1 << 40, 1 << 40]))),
    Case("a product that wraps to the size", SCHEMA, _changed(_put("golden.input.0.shape", [2, 1 << 32, 1 << 32, 4]))),
    Case("a tolerance of 1e300", SCHEMA, _changed(_put("outputs.0.tolerance", 1e300))),
    Case("golden rows that are not there", SCHEMA, _changed(_put("golden.rows", 4))),
    Case("a contract of 65,536 broken rows", SCHEMA, _changed(_put("contract.fields", [0] * 65_536))),
    Case("members that are 65,536 zeros", SCHEMA, _changed(_put("members", [0] * 65_536))),
    Case("an unknown opset", SCHEMA, _changed(_put("graph.opset", 999))),
)
