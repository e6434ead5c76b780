"""`hyrax-run inspect`: everything in the manifest, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hyrax_runtime.cli import main
from hyrax_runtime.manifest_json import from_json_form

from tests.runtime.file.forge import Forge


def test_json_holds_the_whole_manifest(bundle_file: Path, forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(bundle_file), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert from_json_form(answer["manifest"]) == forge.plain
    assert answer["size_bytes"] == len(forge.data())
    assert answer["file"] == str(bundle_file)
    assert answer["id"].startswith("sha256:")


def leaves(value: object) -> list[str]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [value] if isinstance(value, str) else []


def test_every_text_of_the_manifest_is_shown(
    bundle_file: Path, forge: Forge, capsys: pytest.CaptureFixture[str]
) -> None:
    forge.plain["contract"]["fields"][0]["description"] = "mean flux of the source"
    forge.plain["preprocessing"]["reason"] = {"text": "a loop", "line": 4, "construct": None, "hint": "stack the rows"}
    forge.plain["x-site"] = {"observatory": "Cerro Pachón"}
    bundle_file.write_bytes(forge.data())
    assert main(["inspect", str(bundle_file)]) == 0
    out = capsys.readouterr().out
    missing = [text for text in leaves(forge.plain) if text not in out]
    assert missing == []
    assert "(line 4)" in out


def test_a_damaged_file_ends_with_one_line_and_exit_code_1(
    bundle_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle_file.write_bytes(bundle_file.read_bytes()[:-1])
    assert main(["inspect", str(bundle_file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert (
        err == f"hyrax-run: {bundle_file}: 16959 bytes, cut short; its manifest makes 16960. Fetch or export it again\n"
    )


def test_figures_of_each_column_are_shown_from_the_least_to_the_greatest(
    bundle_file: Path, forge: Forge, capsys: pytest.CaptureFixture[str]
) -> None:
    forge.plain["outputs"][0] |= {
        "axis": 1,
        "tolerance": [1.6e-05, 1.6e-04, 1.6e-03],
        "noise_floor": [1e-06, 1e-05, 1e-04],
        "scale": [1.0, 10.0, 100.0],
        "relative_tolerance": [0.0, 0.0, 0.0],
    }
    bundle_file.write_bytes(forge.data())
    assert main(["inspect", str(bundle_file)]) == 0
    assert "1.6e-05 to 0.0016" in capsys.readouterr().out
