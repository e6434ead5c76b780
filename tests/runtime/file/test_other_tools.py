"""What we accept, other tools read alike: zipfile, unzip, bsdtar and 7z; sizes beyond 4 GiB included."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
import zlib
from pathlib import Path

import pytest
from hyrax_runtime.container import Entry, head_bytes, lay_out

from tests.runtime.file.forge import Forge

EXTRACT = {
    "unzip": ["unzip", "-q", "{file}", "-d", "{folder}"],
    "bsdtar": ["bsdtar", "-x", "-f", "{file}", "-C", "{folder}"],
    "7z": ["7z", "x", "-y", "{file}", "-o{folder}"],
}
TEST = {"unzip": ["unzip", "-t", "{file}"], "bsdtar": ["bsdtar", "-t", "-f", "{file}"], "7z": ["7z", "t", "{file}"]}


def tools() -> list[object]:
    missing = {name: pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed") for name in TEST}
    return [pytest.param(name, marks=mark, id=name) for name, mark in missing.items()]


def run(template: list[str], **places: Path) -> str:
    arguments = [part.format(**places) for part in template]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def expected() -> dict[str, bytes]:
    forge = Forge()
    manifest = forge.manifest()
    return {"hyrax": head_bytes(manifest), "manifest.msgpack": manifest, **forge.contents}


@pytest.mark.parametrize("tool", tools())
def test_a_tool_extracts_exactly_the_members(tool: str, bundle_file: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    run(EXTRACT[tool], file=bundle_file, folder=tmp_path / "out")
    assert files_of(tmp_path / "out") == expected()


@pytest.mark.parametrize("tool", tools())
def test_a_tool_finds_nothing_to_complain_about(tool: str, bundle_file: Path) -> None:
    said = run(TEST[tool], file=bundle_file).lower()
    assert "warning" not in said
    assert "error" not in said.replace("no errors", "")


def test_zipfile_reads_exactly_the_members_in_their_order(bundle_file: Path) -> None:
    with zipfile.ZipFile(bundle_file) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == expected()
        assert archive.namelist() == list(expected())
        assert archive.comment == b""


SPARSE = {
    "a member over 4 GiB": [("small.bin", 5, 64), ("weights.bin", (4 << 30) + 3, 16384)],
    # last, as weights.bin always is: unzip 6 misreads the member after one of exactly this size
    "a member of 4 GiB less one": [("before.bin", 1, 64), ("weights.bin", (4 << 30) - 1, 16384)],
    "a member that begins beyond 4 GiB": [("weights.bin", (4 << 30) - 10, 16384), ("after.bin", 7, 64)],
    "both": [("one.bin", 5 << 30, 64), ("two.bin", 5 << 30, 16384), ("three.bin", 1, 64)],
}


@pytest.fixture(params=SPARSE.values(), ids=SPARSE.keys())
def sparse_file(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[Entry]]:
    """An archive of holes: its headers stand where they belong, and it takes no room on the disk."""
    sizes = request.param
    entries = [Entry(name, size, zlib.crc32(bytes(size)) if size < 64 else 0, align) for name, size, align in sizes]
    layout = lay_out(entries)
    path = tmp_path / "sparse.zip"
    with path.open("wb") as file:
        for place in layout.places:
            file.seek(place.header_at)
            file.write(place.header)
            assert place.data_at % place.entry.align == 0
        file.seek(layout.tail_at)
        file.write(layout.tail)
    assert path.stat().st_size == layout.size
    if os.name == "posix" and path.stat().st_blocks * 512 > 1 << 30:
        pytest.skip("this file system keeps no holes")
    return path, entries


def test_zipfile_sees_sizes_and_places_beyond_4_gib(sparse_file: tuple[Path, list[Entry]]) -> None:
    path, entries = sparse_file
    places = lay_out(entries).places
    with zipfile.ZipFile(path) as archive:
        found = [(info.filename, info.file_size, info.header_offset) for info in archive.infolist()]
        assert found == [(place.entry.name, place.entry.size, place.header_at) for place in places]
        for name in archive.namelist():
            with archive.open(name) as member:
                assert member.read(1) == b"\0"


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
def test_unzip_sees_sizes_beyond_4_gib(sparse_file: tuple[Path, list[Entry]]) -> None:
    path, entries = sparse_file
    listed = run(["unzip", "-l", "{file}"], file=path).splitlines()[3:-2]
    assert [(line.split()[3], int(line.split()[0])) for line in listed] == [(e.name, e.size) for e in entries]


@pytest.mark.skipif(shutil.which("7z") is None, reason="7z is not installed")
def test_7z_sees_sizes_beyond_4_gib(sparse_file: tuple[Path, list[Entry]]) -> None:
    path, entries = sparse_file
    lines = run(["7z", "l", "-slt", "{file}"], file=path).splitlines()
    sizes = [int(line.removeprefix("Size = ")) for line in lines if line.startswith("Size = ")]
    assert sizes == [entry.size for entry in entries]
    assert not [line for line in lines if "Warning" in line or "Error" in line]
