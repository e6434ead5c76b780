"""The bytes of a `.hyrax` file around its members: one definition, which the writer writes and the reader compares.

A bundle is a ZIP archive whose every header byte follows from the list of its members, so a reader never parses it as
ZIP. Members are stored, back to back, in manifest order:

    0    local header "hyrax", 35 bytes
    35   magic (10) | manifest length, u32 (4) | sha256 of the manifest (32)
    81   local header "manifest.msgpack", padded so that its data begins at a multiple of 64
    ..   the members, each aligned as its row says
    ..   central directory, end record; zip64 forms only where a size or an offset needs them

This module knows nothing of files or of what members mean. docs/bundle-format.md is the same in prose.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

MAGIC = b"HYRAX\x01\r\n\x1a\n"  # the line ends show a transfer in text mode, the 0x1A stops a DOS `type`
HEAD = struct.Struct("<10sI32s")
HEAD_NAME = "hyrax"
MANIFEST_NAME = "manifest.msgpack"
HEAD_AT = 30 + len(HEAD_NAME)

MEMBER_ALIGN = 64
WEIGHTS_ALIGN = 16384
TENSOR_ALIGN = 64  # of each tensor inside weights.bin

MAX_MANIFEST = 4 << 20
MAX_MEMBERS = 1024
MAX_MEMBER_SIZE = 1 << 48
MAX_SMALL_MEMBER = 2 << 30  # every member but the weights is read whole; protobuf ends at 2 GiB too

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<IIQI")
_VERSION, _VERSION64 = 10, 45
_MADE_BY = 0x030A  # Unix, 1.0: the external attributes are a mode
_DATE = 0x0021  # 1980-01-01, the earliest that MS-DOS dates can say
_MODE = 0o100644 << 16
_PADDING_ID = 0xD935
_NEEDS_64 = 0xFFFFFFFF


class Entry(NamedTuple):  # a bundle of many members makes hundreds of these: nothing is made sooner
    """What a header needs to know of one member; `align` is that of the first data byte."""

    name: str
    size: int
    crc32: int
    align: int


class Place(NamedTuple):
    """Where a member stands; `header` is its whole local header, padding included."""

    entry: Entry
    header_at: int
    header: bytes

    @property
    def data_at(self) -> int:
        """Where the member's first byte stands."""
        return self.header_at + len(self.header)

    @property
    def end(self) -> int:
        """Where the next header stands."""
        return self.data_at + self.entry.size


class Layout(NamedTuple):
    """A whole archive: its members in order, and the bytes that follow the last of them."""

    places: tuple[Place, ...]
    tail: bytes

    @property
    def tail_at(self) -> int:
        """Where the central directory begins."""
        return self.places[-1].end

    @property
    def size(self) -> int:
        """The size of the file."""
        return self.tail_at + len(self.tail)


def local_header(entry: Entry, header_at: int) -> bytes:
    """The local header of `entry` when it stands at `header_at`, padded up to the entry's alignment."""
    name = entry.name.encode("ascii")
    big = entry.size >= _NEEDS_64
    extra = struct.pack("<HHQQ", 1, 16, entry.size, entry.size) if big else b""
    pad = -(header_at + _LOCAL.size + len(name) + len(extra)) % entry.align
    if 0 < pad < 4:  # an extra field is at least its own 4-byte heading
        pad += entry.align
    if pad:
        extra += struct.pack("<HH", _PADDING_ID, pad - 4) + bytes(pad - 4)
    size = _NEEDS_64 if big else entry.size
    version = _VERSION64 if big else _VERSION
    return (
        _LOCAL.pack(0x04034B50, version, 0, 0, 0, _DATE, entry.crc32, size, size, len(name), len(extra)) + name + extra
    )


def lay_out(entries: Sequence[Entry]) -> Layout:
    """Place `entries` one after another and derive every byte between and after them."""
    places: list[Place] = []
    at = 0
    for entry in entries:
        places.append(Place(entry, at, local_header(entry, at)))
        at = places[-1].end
    directory = b"".join(map(_central_header, places))
    return Layout(tuple(places), directory + _end_records(len(places), len(directory), at))


def _central_header(place: Place) -> bytes:
    """The directory row of one member; a zip64 extra holds exactly the figures that do not fit."""
    entry, name = place.entry, place.entry.name.encode("ascii")
    wide: list[int] = []
    size, offset = entry.size, place.header_at
    if size >= _NEEDS_64:
        wide += [size, size]
        size = _NEEDS_64
    if offset >= _NEEDS_64:
        wide.append(offset)
        offset = _NEEDS_64
    extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    version = _VERSION64 if entry.size >= _NEEDS_64 or wide else _VERSION
    fields = (0x02014B50, _MADE_BY, version, 0, 0, 0, _DATE, entry.crc32, size, size)
    return _CENTRAL.pack(*fields, len(name), len(extra), 0, 0, 0, _MODE, offset) + name + extra


def _end_records(members: int, directory_size: int, directory_at: int) -> bytes:
    """The end record, after a zip64 record and its locator where the directory stands beyond 4 GiB."""
    end64 = b""
    offset = directory_at
    if directory_at >= _NEEDS_64:
        offset = _NEEDS_64
        rows = (members, members, directory_size, directory_at)
        end64 = _END64.pack(0x06064B50, 44, _MADE_BY, _VERSION64, 0, 0, *rows)
        end64 += _LOCATOR64.pack(0x07064B50, 0, directory_at + directory_size, 1)
    return end64 + _END.pack(0x06054B50, 0, 0, members, members, directory_size, offset, 0)


def head_bytes(manifest: bytes) -> bytes:
    """The 46 bytes of the member "hyrax": what this file is, and which manifest it holds."""
    return HEAD.pack(MAGIC, len(manifest), hashlib.sha256(manifest).digest())


def first_entries(manifest: bytes) -> tuple[Entry, Entry]:
    """The two members before those that the manifest lists."""
    head = head_bytes(manifest)
    return (
        Entry(HEAD_NAME, len(head), zlib.crc32(head), 1),
        Entry(MANIFEST_NAME, len(manifest), zlib.crc32(manifest), MEMBER_ALIGN),
    )


def manifest_at() -> int:
    """Where the manifest's first byte stands, in every bundle."""
    header_at = HEAD_AT + HEAD.size
    return header_at + len(local_header(Entry(MANIFEST_NAME, 0, 0, MEMBER_ALIGN), header_at))


def place_tensors(sizes: Iterable[int]) -> tuple[tuple[int, ...], int]:
    """Where tensors of `sizes` bytes stand in weights.bin, in order, each at a multiple of 64; and its whole size.

    Examples
    --------
    >>> place_tensors([4, 64, 10])
    ((0, 64, 128), 138)
    """
    offsets: list[int] = []
    end = 0
    for size in sizes:
        offsets.append(end + -end % TENSOR_ALIGN)
        end = offsets[-1] + size
    return tuple(offsets), end
