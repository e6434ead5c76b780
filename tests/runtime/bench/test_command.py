from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hyrax_runtime.cli import main
from hyrax_runtime.commands import bench

from tests.runtime.bench.conftest import BRIEF, pin


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "QUICK", BRIEF)


def command(path: Path, *more: str) -> list[str]:
    return ["bench", str(path), "--quick", "--threads", "1", "--memory", "fast", *more]


def test_bench_prints_tables_and_advice_on_stdout_and_talk_on_stderr(inline_bundle: Path, capsys: Any) -> None:
    assert main(command(inline_bundle, "--trust", pin(inline_bundle))) == 0
    printed = capsys.readouterr()
    for title in ("cold start", "one call, 1 row, 1 thread", "rows/s of predict", "advice"):
        assert title in printed.out
    assert "measuring: cold start" in printed.err


def test_bench_prints_json_with_advice(fused_bundle: Path, capsys: Any) -> None:
    assert main(command(fused_bundle, "--json")) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["file"] == str(fused_bundle)
    assert [rate["batch"] for rate in plain["rates"]] == [1, 3]
    assert plain["advice"][0].startswith("batch=")


def test_bench_draws_a_plot(fused_bundle: Path, tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("matplotlib")
    assert main(command(fused_bundle, "--plot", str(tmp_path / "rates.png"))) == 0
    assert (tmp_path / "rates.png").stat().st_size > 1000


def test_bench_refuses_an_untrusted_bundle_with_what_would_help(inline_bundle: Path, capsys: Any) -> None:
    assert main(command(inline_bundle)) == 1
    printed = capsys.readouterr()
    assert "hyrax-run trust" in printed.err
    assert printed.out == ""


def test_bench_of_python_that_may_never_run_is_refused(inline_bundle: Path, capsys: Any) -> None:
    assert main(command(inline_bundle, "--python", "never")) == 1
    assert "python='never'" in capsys.readouterr().err


def test_a_plot_with_another_ending_is_wrong_usage_and_measures_nothing(inline_bundle: Path, capsys: Any) -> None:
    assert main(command(inline_bundle, "--plot", "rates.jpg")) == 2
    assert capsys.readouterr().err.splitlines() == [
        "hyrax-run: --plot rates.jpg: a PNG is drawn; give a name that ends in .png"
    ]


def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "notes.hyrax").write_text("not a bundle at all")
    assert main(command(tmp_path / "notes.hyrax")) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
