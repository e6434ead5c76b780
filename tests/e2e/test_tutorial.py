"""The commands and the code of the pages, run as they stand there."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

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

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", home["XDG_DATA_HOME"])
    names: dict[str, Any] = {}
    exec(code_of("tutorial")[-1], names)
    assert names["outputs"]["output_0"].shape == (3, 10)

    names = {}
    rows, python = code_of("predicting")
    exec(rows, names)
    (line,) = re.findall(r"^\$ (.+)$", (ROOT / "docs" / "predicting.md").read_text(), flags=re.MULTILINE)
    command(line, tmp_path)
    assert np.load(tmp_path / "scores.npz")["output_0"].shape == (3, 10)
    exec(python, names)
    assert names["one"]["output_0"].shape == (10,) and names["outputs"]["output_0"].shape == (3, 10)
    assert list(names["masked"].errors) == [2] and names["drift"].outside == 1.0


def test_the_class_and_the_settings_of_the_readme_train_export_and_predict(tmp_path: Path, command: Command) -> None:
    readme = (ROOT / "README.md").read_text()
    for language in ("python", "toml"):
        name, text = re.findall(rf"```{language}\n# (\S+)\n(.+?)```", readme, flags=re.DOTALL)[0]
        (tmp_path / name).write_text(text)
    labels = np.arange(40) % 2
    stamps = np.full((40, 63, 63), 9000, np.uint16) + 900 * labels[:, None, None]
    np.savez(tmp_path / "stamps.npz", stamp=stamps.astype(np.uint16), label=labels)
    np.savez(tmp_path / "tonight.npz", stamp=stamps[:3].astype(np.uint16))
    lines = re.findall(r"^(hyrax-(?:pack|run) [^#\n]+)", readme, flags=re.MULTILINE)
    assert len(lines) == 5
    for line in lines:
        command(line, tmp_path)
    assert np.load(tmp_path / "scores.npz")["output_0"].shape == (3, 2)


def test_the_data_set_of_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from hyrax_pack.config import load_config
    from hyrax_pack.data import DataProvider

    (source,) = code_of("data-sets")
    (tmp_path / "alerts.py").write_text(source)
    stamps = [gzip.compress(np.full((4, 4), row, ">f4").tobytes()) for row in range(12)]
    columns = {"stamp": stamps, "magnitude": np.arange(12.0), "candid": np.arange(12) + 900}
    pq.write_table(pa.table(columns), tmp_path / "alerts.parquet")
    settings, _ = re.findall(r"```toml\n(.+?)```", (ROOT / "docs" / "data-sets.md").read_text(), flags=re.DOTALL)
    (tmp_path / "settings.toml").write_text(settings)
    monkeypatch.chdir(tmp_path)
    data_dict = DataProvider(load_config(tmp_path / "settings.toml")).group("train").data_dict([0])
    (stamp,) = data_dict["ztf"]["stamp"]
    assert stamp.dtype == np.float32 and stamp[0, 0] + 900 == data_dict["object_id"][0] >= 902


def code_of(page: str) -> list[str]:
    """The Python blocks of a page."""
    return re.findall(r"```python\n(.+?)```", (ROOT / "docs" / f"{page}.md").read_text(), flags=re.DOTALL)
