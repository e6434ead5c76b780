"""Opening a bundle: every byte checked but the weights', nothing run, imported or written.

The reader never parses the file as ZIP. It reads the manifest, derives every other byte that is no member's data, and
compares; then each member's digest. Weights are checked in `Bundle.weights`, in one pass that a stamp can save.
"""

from __future__ import annotations

import hashlib
import os
import threading
import zlib
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from hyrax_runtime import container
from hyrax_runtime.container import Entry, Layout, Place
from hyrax_runtime.contract import InputContract
from hyrax_runtime.errors import DigestError, HeaderError, NotABundleError, SizeError, UsageError, VersionError
from hyrax_runtime.graph_gate import (
    GraphFacts,
    check_fields,
    check_lowered,
    check_outputs,
    check_signature,
    read_graph,
)
from hyrax_runtime.graph_tensors import check_tiling
from hyrax_runtime.manifest import Manifest, Member, Role
from hyrax_runtime.manifest_encoding import decode_manifest
from hyrax_runtime.manifest_parsing import parse_manifest
from hyrax_runtime.replay_text import check_text
from hyrax_runtime.stored_file import StoredFile
from hyrax_runtime.verified_stamps import is_stamped, write_stamp

if TYPE_CHECKING:
    from pathlib import Path

GRAPH = "model.onnx"
SOURCE = "to_tensor.py"
WEIGHTS = "weights.bin"
GRAPH_ROLES: tuple[Role, ...] = ("graph", "lowered", "fused")
_FETCH = "fetch or export it again"


class Bundle:
    """An open bundle. Use it in a `with` block, or close it.

    Attributes
    ----------
    where : str
        The path that it was opened by.
    id : str
        `sha256:` and the digest of the manifest in hex; it names every byte of the file.
    manifest : Manifest
        What the bundle says of itself.
    plain : dict
        The same as plain values, keys that begin with `x-` included.
    """

    def __init__(self, file: StoredFile, manifest_bytes: bytes, plain: dict[str, Any], manifest: Manifest) -> None:
        self.where = file.path
        self.id = f"sha256:{hashlib.sha256(manifest_bytes).hexdigest()}"
        self.manifest = manifest
        self.plain = plain
        self.manifest_bytes = manifest_bytes
        self._file = file
        self._members = {member.name: member for member in manifest.members}
        self._layout = lay_out_bundle(manifest_bytes, manifest.members)
        self._places = {place.entry.name: place for place in self._layout.places}
        self._weights: memoryview | None = None
        self._padding: tuple[tuple[int, int], ...] = ()
        self._weights_verified = False
        self._mapping = threading.Lock()

    def __repr__(self) -> str:
        return f"Bundle({self.where!r}, {self.id})"

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Weights that were handed out stay readable while anybody holds them."""
        self._weights = None
        self._file.close()

    @property
    def path(self) -> Path:
        """The same, as a path."""
        from pathlib import Path  # late: 4 ms of a start

        return Path(self.where)

    @property
    def contract(self) -> InputContract:
        """What `to_tensor` was given in training, field by field."""
        return self.manifest.contract

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        return self._file.size

    @property
    def graph(self) -> bytes:
        """model.onnx; its larger tensors stand in `weights()` under the external name `weights.bin`."""
        return self.read(GRAPH)

    @property
    def source(self) -> str | None:
        """The captured text of `to_tensor`, or None in a bundle without code."""
        return self.read(SOURCE).decode("utf-8") if SOURCE in self._members else None

    @property
    def source_sha256(self) -> str | None:
        """The sha256 of the captured text in hex, the key of the trust store; None in a bundle without code."""
        member = self._members.get(SOURCE)
        return None if member is None else member.sha256.hex()

    def member(self, name: str) -> Member:
        """The row of the manifest for `name`.

        Raises
        ------
        KeyError
            The bundle has no such member.
        """
        return self._members[name]

    def read(self, name: str) -> bytes:
        """A member's bytes, read and verified now.

        Raises
        ------
        KeyError
            The bundle has no such member.
        DigestError, SizeError, UnreadableError
            The file changed under our hands, or cannot be read any more.
        """
        member = self._members[name]
        data = self._file.read_at(self._places[name].data_at, member.size)
        if hashlib.sha256(data).digest() != member.sha256:
            raise _wrong_digest(self.where, name)
        return data

    def weights(self, *, verify: bool = True, stamp: bool = True) -> memoryview | None:
        """weights.bin as read-only memory shared with every process that maps it; None where there is none.

        Parameters
        ----------
        verify : bool
            Hash them first, unless they were before: by this object, or, as a stamp in the user's cache says, by an
            earlier one on this very file.
        stamp : bool
            Whether such a stamp is believed and left.

        Raises
        ------
        DigestError
            The weights are not those that the manifest names.
        ChangedError
            The file was written to meanwhile.
        """
        member = self._members.get(WEIGHTS)
        if member is None:
            return None
        with self._mapping:
            if verify and not self._weights_verified:
                self._verify_weights(member, stamp)
            if self._weights is None:
                self._weights = self._file.map_at(self._places[WEIGHTS].data_at, member.size)
            return self._weights

    def _verify_weights(self, member: Member, stamp: bool) -> None:
        """Hash the weights and look at the padding between them, or find the stamp that says it was done."""
        identity = self._file.identity()
        self._file.require_unchanged()
        if not (stamp and is_stamped(identity, self.id)):
            found = self._file.digests_at(self._places[WEIGHTS].data_at, member.size)
            if found != (member.sha256, member.crc32):
                raise _wrong_digest(self.where, WEIGHTS)
            for offset, length in self._padding:
                if any(self._file.read_at(self._places[WEIGHTS].data_at + offset, length)):
                    raise HeaderError(f"{self.where}: the padding in {WEIGHTS} is not zero; {_FETCH}")
            self._file.require_unchanged()
            if stamp and self._file.identity() == identity:
                write_stamp(identity, self.id)
        self._weights_verified = True


def open_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Open a `.hyrax` file and verify all of it but the weights' digest. Executes, imports and writes nothing.

    Raises
    ------
    BundleError
        The file cannot be read, or is not, to the last bit, what its manifest says. Each cause has a class and code.
    UsageError
        `path` is no path.
    """
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"a bundle is opened by its path, not by a {type(path).__name__}")
    file = StoredFile(os.fsdecode(path))
    try:
        return _read_bundle(file)
    except BaseException:
        file.close()
        raise


def lay_out_bundle(manifest: bytes, members: tuple[Member, ...]) -> Layout:
    """Where everything stands in the file that holds this manifest and these members."""
    rows = [Entry(member.name, member.size, member.crc32, member.align) for member in members]
    return container.lay_out([*container.first_entries(manifest), *rows])


def _read_bundle(file: StoredFile) -> Bundle:
    manifest_bytes = _read_manifest(file)
    plain = decode_manifest(manifest_bytes, file.path)
    manifest = parse_manifest(plain, file.path)
    bundle = Bundle(file, manifest_bytes, plain, manifest)
    layout = bundle._layout
    if layout.size != file.size:
        fault = "cut short" if file.size < layout.size else "followed by bytes that are not its own"
        raise SizeError(
            f"{file.path}: {file.size} bytes, {fault}; its manifest makes {layout.size}. {_FETCH.capitalize()}"
        )
    graphs: list[tuple[Role, GraphFacts]] = []
    for place in layout.places:
        member = bundle._members.get(place.entry.name)
        data = _check_member(file, place, member)
        if member is not None and member.role in GRAPH_ROLES:
            graphs.append((member.role, read_graph(data, f"{file.path} {member.name}")))
    if file.read_at(layout.tail_at, len(layout.tail)) != layout.tail:
        raise HeaderError(f"{file.path}: its central directory is not the one that follows from its manifest; {_FETCH}")
    bundle._padding = _check_graphs(graphs, bundle)
    if bundle.source_sha256 is not None:
        check_text(bundle.read(SOURCE), f"{file.path} {SOURCE}")
    return bundle


def _read_manifest(file: StoredFile) -> bytes:
    """The manifest's bytes, once their digest is the one in the head."""
    first = file.read_at(0, min(file.size, container.HEAD_AT + container.HEAD.size))
    magic = first[container.HEAD_AT : container.HEAD_AT + len(container.MAGIC)]
    if magic != container.MAGIC:
        _refuse_magic(file, first, magic)
    if len(first) < container.HEAD_AT + container.HEAD.size:
        raise SizeError(f"{file.path}: {file.size} bytes, cut short within its head; {_FETCH}")
    _, length, digest = container.HEAD.unpack_from(first, container.HEAD_AT)
    at = container.manifest_at()
    if not 0 < length <= container.MAX_MANIFEST or at + length > file.size:
        raise SizeError(
            f"{file.path}: a manifest of {length} bytes in a file of {file.size}; "
            f"expected 1 to {container.MAX_MANIFEST}, within the file. {_FETCH.capitalize()}"
        )
    manifest = file.read_at(at, length)
    if hashlib.sha256(manifest).digest() != digest:
        raise _wrong_digest(file.path, container.MANIFEST_NAME)
    return manifest


def _check_graphs(graphs: list[tuple[Role, GraphFacts]], bundle: Bundle) -> tuple[tuple[int, int], ...]:
    """Hold every graph against the manifest, and all of them against weights.bin; answer its padding."""
    for role, facts in graphs:
        if role == "graph":
            check_signature(facts, bundle.manifest)
        elif role == "lowered":
            check_lowered(facts, bundle.manifest)
        else:
            check_outputs(facts, bundle.manifest)
            check_fields(facts, bundle.manifest)
    weights = bundle._members.get(WEIGHTS)
    return check_tiling(
        (tensor for _, facts in graphs for tensor in facts.extents), weights.size if weights else None, bundle.where
    )


def _check_member(file: StoredFile, place: Place, member: Member | None) -> bytes:
    """Compare a member's header with the derived one, its bytes with its digest; answer them, but for the weights."""
    deferred = member is None or member.role == "weights"
    found = file.read_at(place.header_at, len(place.header) + (0 if deferred else place.entry.size))
    if found[: len(place.header)] != place.header:
        raise HeaderError(
            f"{file.path}: the header of {place.entry.name} is not the one that follows from the manifest; {_FETCH}"
        )
    if member is None or deferred:
        return b""
    data = found[len(place.header) :]
    if hashlib.sha256(data).digest() != member.sha256 or zlib.crc32(data) != member.crc32:
        raise _wrong_digest(file.path, member.name)
    return data


def _wrong_digest(path: str, name: str) -> DigestError:
    return DigestError(f"{path}: the bytes of {name} are not those that its sha256 and CRC-32 name; {_FETCH}")


def _refuse_magic(file: StoredFile, first: bytes, magic: bytes) -> NoReturn:
    """Say what a file without our magic is, as far as its first bytes tell."""
    name = container.MAGIC[:5]
    if magic[:5] == name and magic[6:] == container.MAGIC[6:]:
        raise VersionError(
            f"{file.path}: format {magic[5]}; this hyrax-runtime reads format {container.MAGIC[5]}. "
            f"Install the hyrax-runtime that reads it, or export the bundle again with hyrax-pack 1.x"
        )
    if len(first) > container.HEAD_AT and container.MAGIC.startswith(magic):
        raise SizeError(f"{file.path}: {file.size} bytes, cut short within its head; {_FETCH}")
    if magic[:5] == name:
        raise NotABundleError(f"{file.path}: its magic bytes were changed, as by a transfer in text mode; {_FETCH}")
    look = next((look for start, look in _LOOKS if first.startswith(start)), "no .hyrax file")
    raise NotABundleError(f"{file.path}: is {look if first else 'empty'}; expected a .hyrax bundle")


_LOOKS = (
    (b"PK\x03\x04", "a ZIP archive of another kind, such as .npz or .pt"),
    (b"\x80", "a Python pickle"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a .npy array"),
    (b"version https://git-lfs", "a Git LFS pointer (run `git lfs pull`)"),
    (b"<", "a web page or XML (the download failed)"),
)
