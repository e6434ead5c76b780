"""Write a bundle: streamed, verified after writing, and there at once or not at all.

The members are read twice: once for the digests, which the manifest at the front of the file needs, once to be written.
So no more stands in memory than the largest buffer that a source yields. The same sources give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hyrax_runtime.bundle import lay_out_bundle, open_bundle
from hyrax_runtime.container import MEMBER_ALIGN, WEIGHTS_ALIGN, head_bytes, place_tensors
from hyrax_runtime.manifest import MEMBER_OF_ROLE, Manifest, Member, Role
from hyrax_runtime.manifest_encoding import encode_manifest
from hyrax_runtime.manifest_parsing import manifest_to_plain, parse_manifest

from hyrax_pack.errors import PackError
from hyrax_pack.packing.temporary import temporary_beside

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True)
class MemberSource:
    """One member to be written: `buffers()` yields its bytes in order, the same ones each time it is called."""

    name: str
    role: Role
    size: int
    buffers: Callable[[], Iterable[Buffer]]


def member_of(name: str, role: Role, data: bytes) -> MemberSource:
    """A member that is in memory already."""
    return MemberSource(name, role, len(data), lambda: (data,))


def weights_of(tensors: Sequence[tuple[int, Callable[[], Buffer]]]) -> MemberSource:
    """weights.bin, from each tensor's size in bytes and a function that yields its little-endian C-order bytes.

    Tensors stand where `hyrax_runtime.container.place_tensors` places their sizes; the gaps between are zero.
    """
    offsets, size = place_tensors(length for length, _ in tensors)

    def buffers() -> Iterator[Buffer]:
        end = 0
        for offset, (length, content) in zip(offsets, tensors, strict=True):
            if offset > end:
                yield bytes(offset - end)
            yield content()
            end = offset + length

    return MemberSource(MEMBER_OF_ROLE["weights"], "weights", size, buffers)


def write_bundle(
    path: Path,
    manifest_of: Callable[[tuple[Member, ...]], Manifest],
    sources: Sequence[MemberSource],
    prove: Callable[[Path], None] | None = None,
) -> str:
    """Write the bundle that `sources` and their manifest make, and put it at `path` once it is proven.

    Parameters
    ----------
    path : Path
        A file there is replaced in one step, after everything else; until then, and on any failure, it stays.
    manifest_of : callable
        Makes the manifest when the rows of its members, in file order, are known.
    sources : sequence of MemberSource
        In any order.
    prove : callable, optional
        Called with the path of the finished temporary file, verified already; whatever it raises ends the writing.

    Returns
    -------
    str
        The bundle id.

    Raises
    ------
    PackError
        The folder is missing or full, or a source yields other bytes than it said.
    ManifestError, BundleError
        What was asked for is no sound bundle.
    """
    path = Path(path)
    ordered = sorted(sources, key=_file_order)
    members = tuple(map(_measure, ordered))
    manifest = _encode(manifest_of(members), path)
    with temporary_beside(path) as (temporary, file):
        _write_members(file, manifest, members, ordered)
        file.flush()
        os.fsync(file.fileno())
        file.close()
        with open_bundle(temporary) as bundle:
            bundle.weights(verify=True, stamp=False)
            identity = bundle.id
        if prove is not None:
            prove(temporary)
        temporary.replace(path)
        _sync_folder(path.parent)
    return identity


def _file_order(source: MemberSource) -> tuple[int, str]:
    return list(MEMBER_OF_ROLE).index(source.role), source.name


def _measure(source: MemberSource) -> Member:
    """The manifest's row for one member, in a pass over its bytes."""
    size, crc32, sha256 = 0, 0, hashlib.sha256()
    for buffer in source.buffers():
        size += memoryview(buffer).nbytes
        crc32 = zlib.crc32(buffer, crc32)
        sha256.update(buffer)
    if size != source.size:
        raise PackError(f"{source.name}: its source gives {size} bytes where it announced {source.size}")
    align = WEIGHTS_ALIGN if source.role == "weights" else MEMBER_ALIGN
    return Member(source.name, size, crc32, sha256.digest(), source.role, align)


def _encode(manifest: Manifest, path: Path) -> bytes:
    plain = manifest_to_plain(manifest)
    parse_manifest(plain, str(path))
    return encode_manifest(plain)


def _write_members(
    file: BinaryIO, manifest: bytes, members: tuple[Member, ...], sources: Sequence[MemberSource]
) -> None:
    layout = lay_out_bundle(manifest, members)
    contents: list[Iterable[Buffer]] = [(head_bytes(manifest),), (manifest,)]
    contents += [source.buffers() for source in sources]
    for place, content in zip(layout.places, contents, strict=True):
        file.write(place.header)
        for buffer in content:
            file.write(buffer)
        if file.tell() != place.end:
            raise PackError(f"{place.entry.name}: its source gave another number of bytes the second time")
    file.write(layout.tail)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut; Windows has no such call."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
