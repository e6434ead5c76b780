"""Write a bundle's members into a folder, all of them or none."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hyrax_runtime.bundle import GRAPH_ROLES, WEIGHTS, Bundle
from hyrax_runtime.container import HEAD_NAME, MANIFEST_NAME, head_bytes
from hyrax_runtime.errors import UnpackError
from hyrax_runtime.graph_inlining import inline_weights
from hyrax_runtime.manifest_json import to_json_form

_BLOCK = 16 << 20


def unpack(bundle: Bundle, folder: Path, *, inline: bool = False) -> tuple[str, ...]:
    """Write the members of `bundle`, verified, into `folder`, which must be new or empty; answer their names.

    Parameters
    ----------
    bundle : Bundle
    folder : Path
        Filled in one step when everything is written: until then, and on any failure, it is as it was.
    inline : bool
        For other runtimes: each graph with its weights inside, so no weights.bin; and manifest.json in place of the
        binary manifest, whose digests would no longer be true.

    Raises
    ------
    UnpackError
        The folder is not empty, is a link or a file, or the disk is full; or a graph does not fit in one protobuf.
    BundleError
        The bundle's bytes are not what they were.
    """
    names: list[str] = []
    with _filled_at_once(folder) as inside:
        for name, content in _contents(bundle, inline):
            _write(inside / name, content)
            names.append(name)
    return tuple(names)


def _contents(bundle: Bundle, inline: bool) -> Iterator[tuple[str, Iterable[bytes | memoryview]]]:
    """Name and content of each file, in the order of the archive."""
    weights = bundle.weights()
    if inline:
        text = json.dumps(to_json_form(bundle.plain), indent=2) + "\n"
        yield "manifest.json", [text.encode("utf-8")]
    else:
        yield HEAD_NAME, [head_bytes(bundle.manifest_bytes)]
        yield MANIFEST_NAME, [bundle.manifest_bytes]
    for member in bundle.manifest.members:
        if inline and member.role in GRAPH_ROLES:
            yield member.name, inline_weights(bundle.read(member.name), weights, f"{bundle.path} {member.name}")
        elif member.name != WEIGHTS:
            yield member.name, [bundle.read(member.name)]
        elif weights is not None and not inline:
            yield member.name, (weights[at : at + _BLOCK] for at in range(0, member.size, _BLOCK))


def _write(path: Path, content: Iterable[bytes | memoryview]) -> None:
    """A new file; whatever is there already, a link included, is refused."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        for buffer in content:
            file.write(buffer)


@contextmanager
def _filled_at_once(folder: Path) -> Iterator[Path]:
    """A folder for the files, which takes the place of `folder` when all went well and is gone when it did not.

    A folder that is there already stays the same folder: it may be somebody's current one, and has its permissions.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - resolve() would follow the link that we are to refuse
    _require_free(folder)
    there = folder.is_dir()
    partial = (folder / "x" if there else folder).with_name(f".{folder.name}.{secrets.token_hex(6)}.partial")
    try:
        partial.mkdir()
        yield partial
        _require_free(folder, beside=partial)
        if not there:
            partial.rename(folder)
            return
        for made in sorted(partial.iterdir()):
            made.rename(folder / made.name)
    except OSError as error:
        raise UnpackError(
            f"{folder}: cannot be written ({error.strerror or error}); nothing was left behind"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _require_free(folder: Path, beside: Path | None = None) -> None:
    """Refuse a folder that is a link, a file, or has something in it, other than `beside`."""
    if folder.is_symlink():
        raise UnpackError(f"{folder}: is a symbolic link; give a folder that is new or empty")
    if folder.exists() and not folder.is_dir():
        raise UnpackError(f"{folder}: is a file; give a folder that is new or empty")
    if folder.is_dir() and any(path != beside for path in folder.iterdir()):
        raise UnpackError(f"{folder}: is not empty; give a folder that is new or empty")
