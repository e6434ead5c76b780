"""What a person sees while training runs, on stderr: one bar with loss and rate in a terminal, else a line an epoch."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hyrax_pack.training.talking import talk

_EVERY_S = 0.5


class Reporter(Protocol):
    """Where training says how it goes."""

    def say(self, text: str) -> None:
        """One line that a person should read."""

    def begin_epoch(self, epoch: int, epochs: int, batches: int, done: int) -> None:
        """An epoch starts, `done` of its batches behind it already."""

    def step(self, rows: int, loss: float | None) -> None:
        """A step is done; `loss` where it is known without waiting for a device."""

    def end_epoch(self, line: str) -> None:
        """An epoch is done; `line` sums it up."""

    def __enter__(self) -> Reporter: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Lines:
    """One line an epoch: for logs, and wherever stderr is no terminal."""

    def say(self, text: str) -> None:
        """One line that a person should read."""
        talk(text)

    def begin_epoch(self, epoch: int, epochs: int, batches: int, done: int) -> None:
        """Nothing yet."""

    def step(self, rows: int, loss: float | None) -> None:
        """Nothing."""

    def end_epoch(self, line: str) -> None:
        """The epoch's line."""
        self.say(line)

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to tidy."""


class Silent(Lines):
    """Nothing at all: every process but the first of those that train together."""

    def say(self, text: str) -> None:
        """Nothing."""


class _Console(Console):
    """Rich would end the process, and close stdout, where stderr is read by nobody any more."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Bar:
    """One bar for the epoch under way, with loss and rate; finished epochs stand above it as lines.

    It is drawn by the training thread at most twice a second: a thread of its own would hold up every operation.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=console or _Console(stderr=True),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, note="")
        self._rows = self._batches = 0
        self._loss: float | None = None
        self._started = self._drawn = time.monotonic()

    def say(self, text: str) -> None:
        """One line that a person should read, above the bar."""
        with suppress(OSError):
            self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def begin_epoch(self, epoch: int, epochs: int, batches: int, done: int) -> None:
        """A new bar."""
        self._rows, self._batches, self._started = 0, done, time.monotonic()
        self._bar.reset(self._task, total=batches, completed=done, description=f"epoch {epoch}/{epochs}")
        self._draw()

    def step(self, rows: int, loss: float | None) -> None:
        """The bar moves, where half a second has passed."""
        self._rows += rows
        self._batches += 1
        if loss is not None:
            self._loss = loss
        if time.monotonic() - self._drawn >= _EVERY_S:
            self._draw()

    def end_epoch(self, line: str) -> None:
        """The epoch's line."""
        self.say(line)

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        rate = self._rows / max(self._drawn - self._started, 1e-9)
        loss = "" if self._loss is None else f"loss {self._loss:.4g}  "
        with suppress(OSError):
            self._bar.update(self._task, completed=self._batches, note=f"{loss}{rate:,.0f} rows/s")
            self._bar.refresh()

    def __enter__(self) -> Bar:
        with suppress(OSError):
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._bar.stop()


def make_reporter(progress: bool | None, *, first: bool = True) -> Reporter:
    """The reporter for this process; `progress` None means: a bar where stderr is a terminal."""
    if not first:
        return Silent()
    return Bar() if (sys.stderr.isatty() if progress is None else progress) else Lines()
