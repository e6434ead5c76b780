"""The tutorial's commands, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import ROOT, Command

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
COMMANDS = re.findall(r"^\$ (.+)$", TUTORIAL, flags=re.MULTILINE)


def test_every_command_of_the_tutorial_works_in_an_empty_folder(
    tmp_path: Path, command: Command, home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(COMMANDS) >= 5
    for included in re.findall(r"literalinclude\} (\S+)", TUTORIAL):
        source = ROOT / "docs" / included
        (tmp_path / source.name).write_text(source.read_text())
    for line in COMMANDS:
        command(line, tmp_path)

    python = re.findall(r"```python\n(.+?)```", TUTORIAL, flags=re.DOTALL)[-1]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", home["XDG_DATA_HOME"])
    names = {"images": np.zeros((3, 8, 8), dtype=np.float32)}
    exec(python, names)
    assert names["outputs"]["output_0"].shape == (3, 10)
