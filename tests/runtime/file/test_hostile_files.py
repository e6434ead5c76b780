"""Every hostile file is refused with its code; refusing runs nothing, imports nothing and leaves nothing behind."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hyrax_runtime.bundle import open_bundle
from hyrax_runtime.errors import HyraxError

from tests.runtime.file.hostile import ALL, Case


def is_held_open(path: Path) -> bool:
    """Whether this process has a file open, on systems that tell."""
    table = Path("/proc/self/fd")
    targets = []
    for entry in table.iterdir() if table.is_dir() else ():
        with suppress(OSError):  # the descriptor that lists the folder is closed by now
            targets.append(entry.readlink())
    return path in targets


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.title)
def test_a_hostile_file_is_refused_with_its_code_and_leaves_no_mark(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "hostile.hyrax").write_bytes(case.make())
    modules = set(sys.modules)
    path = list(sys.path)
    with pytest.raises(HyraxError) as caught, open_bundle("hostile.hyrax") as bundle:
        bundle.weights(stamp=False)
    assert caught.value.code == case.code, str(caught.value)
    assert str(caught.value).startswith("hostile.hyrax")
    assert set(sys.modules) == modules
    assert sys.path == path
    assert [entry.name for entry in folder.iterdir()] == ["hostile.hyrax"]
    assert not is_held_open(folder / "hostile.hyrax")
