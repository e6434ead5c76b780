"""What a person sees."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from hyrax_pack.training.progress import Bar, Lines, Silent, make_reporter
from tests.pack.training.conftest import Train


def test_a_terminal_shows_one_bar_with_epoch_loss_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with Bar(Console(file=screen, force_terminal=True, width=100)) as bar:
        bar.begin_epoch(2, 5, batches=10, done=0)
        for _ in range(4):
            clock[0] += 0.2
            bar.step(64, 0.125)
        bar.end_epoch("epoch 2/5  loss 0.125")
    shown = screen.getvalue()
    assert "epoch 2/5" in shown
    assert "3/10" in shown
    assert "loss 0.125" in shown
    assert "320 rows/s" in shown


def test_elsewhere_an_epoch_is_a_line_on_stderr(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train(split__validate=0.2)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert [line.split("  ")[0] for line in shown.err.splitlines()[1:]] == ["epoch 1/2", "epoch 2/2"]
    assert "validation loss" in shown.err


def test_the_bar_is_off_where_stderr_is_no_terminal_and_only_the_first_process_speaks() -> None:
    assert type(make_reporter(None)) is Lines
    assert type(make_reporter(False)) is Lines
    assert type(make_reporter(True, first=False)) is Silent
