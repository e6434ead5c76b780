"""ZIP tricks: duplicates, hidden members, lies about sizes, places, methods and modes."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator

from hyrax_runtime import container

from tests.runtime.file.forge import Forge, pack, row_of
from tests.runtime.file.hostile.cases import Case

HEADER, SIZE, DIGEST, MAGIC = "container/header", "container/size", "container/digest", "container/magic"
LOCAL_FIELDS = {
    "signature": (0, "<I", 0x04034B51),
    "version": (4, "<H", 20),
    "encryption flag": (6, "<H", 1),
    "data descriptor flag": (6, "<H", 8),
    "UTF-8 flag": (6, "<H", 0x800),
    "deflate": (8, "<H", 8),
    "lzma": (8, "<H", 14),
    "time": (10, "<H", 1),
    "date": (12, "<H", 0x5A21),
    "crc": (14, "<I", 7),
    "packed size": (18, "<I", 1),
    "size": (22, "<I", 1),
    "name length": (26, "<H", 3),
    "extra length": (28, "<H", 0),
}
CENTRAL_FIELDS = {
    "signature": (0, "<I", 0x02014B51),
    "made by": (4, "<H", 0x0014),
    "version": (6, "<H", 45),
    "encryption flag": (8, "<H", 1),
    "deflate": (10, "<H", 8),
    "time": (12, "<H", 1),
    "date": (14, "<H", 0x5A21),
    "crc": (16, "<I", 7),
    "packed size": (20, "<I", 1),
    "size": (24, "<I", 1),
    "name length": (28, "<H", 3),
    "extra length": (30, "<H", 4),
    "comment length": (32, "<H", 1),
    "disk": (34, "<H", 1),
    "internal attributes": (36, "<H", 1),
    "a symbolic link": (38, "<I", 0o120777 << 16),
    "a device": (38, "<I", 0o060644 << 16),
    "setuid": (38, "<I", 0o104755 << 16),
    "an overlapping offset": (42, "<I", 0),
}
END_FIELDS = {
    "signature": (0, "<I", 0x06054B51),
    "disk": (4, "<H", 1),
    "disk of the directory": (6, "<H", 1),
    "members on this disk": (8, "<H", 1),
    "members": (10, "<H", 0xFFFF),
    "directory size": (12, "<I", 46),
    "directory offset": (16, "<I", 0),
    "zip64 mark": (16, "<I", 0xFFFFFFFF),
    "comment length": (20, "<H", 22),
}


def _places() -> container.Layout:
    forge = Forge()
    return container.lay_out(forge.entries(forge.manifest()))


def _patched(at: int, form: str, value: int) -> Callable[[], bytes]:
    def make() -> bytes:
        data = bytearray(Forge().data())
        struct.pack_into(form, data, at, value)
        return bytes(data)

    return make


def _field_cases() -> Iterator[Case]:
    """Every field of a local header, of a directory row and of the end record, one at a time."""
    layout = _places()
    places = {place.entry.name: place for place in layout.places}
    for name in ("hyrax", "manifest.msgpack", "model.onnx", "weights.bin"):
        for field, (offset, form, value) in LOCAL_FIELDS.items():
            if field == "extra length" and name == "hyrax":
                value = 4
            yield Case(
                f"local header of {name}: {field}", HEADER, _patched(places[name].header_at + offset, form, value)
            )
    at = layout.tail_at
    for place in layout.places:
        if place.entry.name in ("model.onnx", "weights.bin"):
            for field, (offset, form, value) in CENTRAL_FIELDS.items():
                yield Case(f"directory row of {place.entry.name}: {field}", HEADER, _patched(at + offset, form, value))
        at += 46 + len(place.entry.name)
    for field, (offset, form, value) in END_FIELDS.items():
        yield Case(f"end record: {field}", HEADER, _patched(at + offset, form, value))


def _rebuilt(change: Callable[[list[bytes], list[bytes]], None]) -> bytes:
    """The archive taken apart into local parts and directory rows, changed, and put together with a true end record."""
    forge = Forge()
    data, layout = forge.data(), _places()
    parts = [data[place.header_at : place.end] for place in layout.places]
    rows, at = [], layout.tail_at
    for place in layout.places:
        rows.append(data[at : at + 46 + len(place.entry.name)])
        at += len(rows[-1])
    change(parts, rows)
    body, directory = b"".join(parts), b"".join(rows)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, len(rows), len(rows), len(directory), len(body), 0)
    return body + directory + end


def _duplicate_row(parts: list[bytes], rows: list[bytes]) -> None:
    rows.append(rows[2])


def _hidden_member(parts: list[bytes], rows: list[bytes]) -> None:
    del rows[3]


def _unlisted_member(parts: list[bytes], rows: list[bytes]) -> None:
    parts.append(container.local_header(container.Entry("numpy.py", 3, zlib.crc32(b"1\n\n"), 1), 0) + b"1\n\n")


def _swapped_rows(parts: list[bytes], rows: list[bytes]) -> None:
    rows[2], rows[3] = rows[3], rows[2]


def _swapped_parts(parts: list[bytes], rows: list[bytes]) -> None:
    parts[3], parts[4] = parts[4], parts[3]


def _gap(parts: list[bytes], rows: list[bytes]) -> None:
    parts.insert(3, bytes(64))


def _comment_on_a_member(parts: list[bytes], rows: list[bytes]) -> None:
    rows[2] = rows[2][:32] + struct.pack("<H", 3) + rows[2][34:] + b"PK\x05"


def _extra_in_directory(parts: list[bytes], rows: list[bytes]) -> None:
    extra = struct.pack("<HHQ", 1, 8, 5)
    rows[2] = rows[2][:30] + struct.pack("<H", len(extra)) + rows[2][32:] + extra


def _renamed_in_directory(parts: list[bytes], rows: list[bytes]) -> None:
    rows[2] = rows[2].replace(b"model.onnx", b"../el.onnx")


def _as_zipfile_writes(method: int) -> bytes:
    forge = Forge()
    manifest = forge.manifest()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in {
            "hyrax": container.head_bytes(manifest),
            "manifest.msgpack": manifest,
            **forge.contents,
        }.items():
            archive.writestr(
                zipfile.ZipInfo(name), data, compress_type=zipfile.ZIP_STORED if name == "hyrax" else method
            )
    return out.getvalue()


def _bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.msgpack", bytes(16 << 20))
    return out.getvalue()


def _with_comment(comment: bytes) -> bytes:
    data = bytearray(Forge().data()) + comment
    struct.pack_into("<H", data, len(data) - len(comment) - 2, len(comment))
    return bytes(data)


def _padding(value: int, last: bool) -> bytes:
    """One byte of the padding before weights.bin: in its heading, or in its last byte."""
    place = _places().places[-1]
    data = bytearray(Forge().data())
    data[place.data_at - 1 if last else place.header_at + 30 + len("weights.bin")] ^= value
    return bytes(data)


def _zip64(everywhere: bool) -> bytes:
    """A zip64 end record that no size needs."""
    forge = Forge()
    data, layout = forge.data(), _places()
    rows = len(layout.places)
    size = len(layout.tail) - 22
    end64 = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 0x030A, 45, 0, 0, rows, rows, size, layout.tail_at)
    locator = struct.pack("<IIQI", 0x07064B50, 0, layout.tail_at + size, 1)
    end = data[-22:-6] + struct.pack("<IH", 0xFFFFFFFF, 0) if everywhere else data[-22:]
    return data[:-22] + end64 + locator + end


def _wrong_crc_everywhere() -> bytes:
    """CRC-32 wrong in the manifest and in both headers: what we open, other tools would call damaged."""
    forge = Forge()
    forge.plain["members"][0]["crc32"] ^= 1
    manifest = forge.manifest()
    entries = forge.entries(manifest)
    entries[2] = container.Entry("model.onnx", entries[2].size, entries[2].crc32 ^ 1, 64)
    layout = container.lay_out(entries)
    contents = [container.head_bytes(manifest), manifest, *forge.contents.values()]
    return b"".join(p.header + c for p, c in zip(layout.places, contents, strict=True)) + layout.tail


def _size_lie(name: str, by: int) -> bytes:
    """The manifest says another size than the headers and the data."""
    forge = Forge()
    next(row for row in forge.plain["members"] if row["name"] == name)["size"] += by
    return forge.data()


def _size_lie_in_concert(by: int) -> bytes:
    """Manifest and headers agree on a size that the data has not."""
    forge = Forge()
    forge.plain["members"][1]["size"] += by
    manifest = forge.manifest()
    entries = forge.entries(manifest)
    text = entries[3]
    entries[3] = container.Entry(text.name, text.size + by, text.crc32, 64)
    layout = container.lay_out(entries)
    contents = [container.head_bytes(manifest), manifest, *forge.contents.values()]
    return b"".join(p.header + c for p, c in zip(layout.places, contents, strict=True)) + layout.tail


def _digest_swap() -> bytes:
    """Two members' digests exchanged."""
    forge = Forge()
    rows = forge.plain["members"]
    rows[2]["sha256"], rows[3]["sha256"] = rows[3]["sha256"], rows[2]["sha256"]
    return forge.data()


def _other_digest(change: Callable[[bytes], bytes], member: int) -> bytes:
    forge = Forge()
    row = forge.plain["members"][member]
    row["sha256"] = change(row["sha256"])
    return forge.data()


def _manifest_length(length: int) -> bytes:
    data = bytearray(Forge().data())
    struct.pack_into("<I", data, container.HEAD_AT + 10, length)
    return bytes(data)


def _many_members() -> bytes:
    forge = Forge()
    forge.plain["members"] = [row_of(f"golden/{n}.bin", b"") for n in range(65_536)]
    return forge.data(pack(forge.plain))


def _huge_member(size: int) -> bytes:
    forge = Forge()
    forge.plain["members"][-1]["size"] = size
    return forge.data()


def _padding_between_tensors() -> bytes:
    forge = Forge()
    weights = bytearray(forge.contents["weights.bin"])
    weights[50] = 1
    return forge.put("weights.bin", bytes(weights)).data()


ARCHIVES: tuple[Case, ...] = (
    *_field_cases(),
    Case("an empty file", MAGIC, lambda: b""),
    Case("one byte before", MAGIC, lambda: b"\0" + Forge().data()),
    Case("a shell script before", MAGIC, lambda: b"#!/bin/sh\n" + Forge().data()),
    Case("one byte after", SIZE, lambda: Forge().data() + b"\0"),
    Case("an end record after", SIZE, lambda: Forge().data() + b"PK\5\6" + bytes(18)),
    Case("a second archive after", SIZE, lambda: Forge().data() * 2),
    Case("a duplicate directory row", SIZE, lambda: _rebuilt(_duplicate_row)),
    Case("a member that the directory hides", SIZE, lambda: _rebuilt(_hidden_member)),
    Case("a member that only a local header shows", SIZE, lambda: _rebuilt(_unlisted_member)),
    Case("directory rows exchanged", HEADER, lambda: _rebuilt(_swapped_rows)),
    Case("members exchanged", HEADER, lambda: _rebuilt(_swapped_parts)),
    Case("a gap between members", SIZE, lambda: _rebuilt(_gap)),
    Case("a comment on a member", SIZE, lambda: _rebuilt(_comment_on_a_member)),
    Case("an extra field in the directory", SIZE, lambda: _rebuilt(_extra_in_directory)),
    Case("another name in the directory", HEADER, lambda: _rebuilt(_renamed_in_directory)),
    Case("a comment", SIZE, lambda: _with_comment(b"hello")),
    Case("an end record hidden in the comment", SIZE, lambda: _with_comment(b"PK\5\6" + bytes(18))),
    Case("padding with another id", HEADER, lambda: _padding(1, last=False)),
    Case("padding that is not zero", HEADER, lambda: _padding(1, last=True)),
    Case("zip64 records that say the same", SIZE, lambda: _zip64(everywhere=False)),
    Case("zip64 records in place of the end record", SIZE, lambda: _zip64(everywhere=True)),
    Case("stored by zipfile", MAGIC, lambda: _as_zipfile_writes(zipfile.ZIP_STORED)[1:]),
    Case("stored by zipfile, our magic in its place", DIGEST, lambda: _as_zipfile_writes(zipfile.ZIP_STORED)),
    Case("deflated members", DIGEST, lambda: _as_zipfile_writes(zipfile.ZIP_DEFLATED)),
    Case("a bomb", MAGIC, _bomb),
    Case("a wrong CRC-32, consistently", DIGEST, _wrong_crc_everywhere),
    Case("a text one byte longer in the manifest", HEADER, lambda: _size_lie("to_tensor.py", 1)),
    Case("a text one byte shorter in the manifest", HEADER, lambda: _size_lie("to_tensor.py", -1)),
    Case("weights one byte shorter in the manifest", SIZE, lambda: _size_lie("weights.bin", -1)),
    Case("a text one byte longer in manifest and header", SIZE, lambda: _size_lie_in_concert(1)),
    Case("a text that takes the next header with it", SIZE, lambda: _size_lie_in_concert(64)),
    Case("digests exchanged", "container/digest", _digest_swap),
    Case("a digest with one bit changed", DIGEST, lambda: _other_digest(lambda d: bytes([d[0] ^ 1]) + d[1:], 0)),
    Case("a digest of zeros for the weights", DIGEST, lambda: _other_digest(lambda d: bytes(32), -1)),
    Case("a short digest", "manifest/schema", lambda: _other_digest(lambda d: d[:20], 0)),
    Case("a longer digest", "manifest/schema", lambda: _other_digest(lambda d: d + d, 0)),
    Case("a manifest of no bytes", SIZE, lambda: _manifest_length(0)),
    Case("a manifest of 4 GiB", SIZE, lambda: _manifest_length(0xFFFFFFFF)),
    Case("a manifest past the end", SIZE, lambda: _manifest_length(1 << 20)),
    Case("a manifest one byte longer", DIGEST, lambda: _manifest_length(len(Forge().manifest()) + 1)),
    Case("65,536 members", SIZE, _many_members),
    Case("a member of 2^48 bytes", SIZE, lambda: _huge_member(1 << 48)),
    Case("a member of 2^64 - 1 bytes", "manifest/schema", lambda: _huge_member((1 << 64) - 1)),
    Case("something in the padding between tensors", HEADER, _padding_between_tensors),
)
