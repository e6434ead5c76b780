"""Read what is new in the journal every two seconds and hand it to MLflow and TensorBoard."""

from __future__ import annotations

import queue
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from hyrax_pack.run.folder import METRICS_FILE
from hyrax_pack.run.records import Record, parse_record
from hyrax_pack.training.tracking.handle import SAYS
from hyrax_pack.training.tracking.plan import TrackingPlan, allowed_name, axis_of

EVERY_S = 2.0
_AGAIN_S = 30.0


class Point(NamedTuple):
    """One value of one metric; `step` counts epochs for figures of an epoch, else training steps."""

    name: str
    value: float
    step: int


class FeedError(Exception):
    """A feed cannot take points now; it is asked again later."""


class Feed(Protocol):
    """Somewhere that points go."""

    name: str

    def open(self) -> dict[str, int]:
        """Get ready; give the last step that is there already of each metric, where the run was resumed."""

    def write(self, points: Sequence[Point]) -> None:
        """Take points, oldest first."""

    def tick(self) -> None:
        """Called every two seconds."""

    def close(self, end: str, points: Sequence[Point]) -> None:
        """The run is over; `points` are the last of each metric."""


class Follower:
    """One feed, and what it has yet to take. It is asked again half a minute after it failed, and at the end."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._waiting: list[Point] = []
        self._there: dict[str, int] | None = None
        self._not_before = 0.0
        self._complained = False

    def push(self, points: Sequence[Point], *, now: bool = False) -> None:
        """Hand points on, or keep them for later."""
        self._waiting.extend(points)
        if not now and time.monotonic() < self._not_before:
            return
        try:
            if self._there is None:
                self._there = self._feed.open()
            there = self._there
            new = [point for point in self._waiting if point.step > there.get(point.name, -1)]
            if new:
                self._feed.write(new)
            self._waiting.clear()
            self._feed.tick()
        except FeedError as error:
            self._fail(error)

    def close(self, end: str, last: Sequence[Point]) -> None:
        """Let the feed end the run, where it ever began."""
        if self._there is None:
            return
        try:
            self._feed.close(end, last)
        except FeedError as error:
            self._fail(error)

    def _fail(self, error: FeedError) -> None:
        self._not_before = time.monotonic() + _AGAIN_S
        if not self._complained:
            self._complained = True
            reason = " ".join(str(error).split())[:300]
            print(f"{SAYS}{self._feed.name} is not there: {reason}. Training goes on; nothing is lost: every figure is "
                  "in metrics.jsonl.", flush=True)  # fmt: skip


class JournalReader:
    """What is new in a journal that another process writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def news(self) -> list[Record]:
        """The whole records since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                found = file.read()
        except FileNotFoundError:
            return []
        whole = found[: found.rfind(b"\n") + 1]
        self._position += len(whole)
        return [parse_record(line) for line in whole.splitlines()]


def points_of(record: Record) -> list[Point]:
    """The metrics of one record."""
    return [
        Point(allowed_name(name), float(value), int(record[axis_of(name)]))
        for name, value in record.items()
        if name not in ("epoch", "step")
    ]


def follow(plan: TrackingPlan, inbox: queue.Queue[str]) -> None:
    """Follow one run until `inbox` holds how it ended."""
    from hyrax_pack.training.tracking.mlflow_feed import MlflowFeed
    from hyrax_pack.training.tracking.tensorboard_feed import TensorBoardFeed

    reader = JournalReader(Path(plan.folder) / METRICS_FILE)
    followers = [Follower(TensorBoardFeed(plan)), Follower(MlflowFeed(plan))]
    last: dict[str, Point] = {}
    end: str | None = None
    while end is None:
        with suppress(queue.Empty):
            end = inbox.get(timeout=EVERY_S)
        points = [point for record in reader.news() for point in points_of(record)]
        last.update({point.name: point for point in points})
        for follower in followers:
            follower.push(points, now=end is not None)
    for follower in followers:
        follower.close(end, tuple(last.values()))
