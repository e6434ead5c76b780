"""TensorBoard: event files in the run folder, with the hyperparameters and last figures at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hyrax_pack.training.tracking.following import FeedError, Point
from hyrax_pack.training.tracking.plan import TrackingPlan

_PREFIX = "training/"


class TensorBoardFeed:
    """Scalars `training/training/<m>` and `training/validation/<m>`, written without torch."""

    name = "TensorBoard"

    def __init__(self, plan: TrackingPlan) -> None:
        self._plan = plan
        self._writer: Any = None

    def open(self) -> dict[str, int]:
        """Begin an event file; where the run was resumed, read the old ones."""
        try:
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise FeedError(f"{error}; pip install tensorboard") from error
        try:
            there = self._last_steps()
            self._writer = EventFileWriter(self._plan.folder)
        except OSError as error:
            raise FeedError(str(error)) from error
        return there

    def write(self, points: Sequence[Point]) -> None:
        """Add scalars."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        try:
            for point in points:
                value = Summary.Value(tag=_PREFIX + point.name, simple_value=point.value)
                self._writer.add_event(Event(wall_time=time.time(), step=point.step, summary=Summary(value=[value])))
            self._writer.flush()
        except OSError as error:
            raise FeedError(str(error)) from error

    def tick(self) -> None:
        """Nothing to do between points."""

    def close(self, end: str, points: Sequence[Point]) -> None:
        """Add the hyperparameters, so that TensorBoard's HPARAMS tab compares runs by their last figures."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.plugins.hparams import summary_v2 as hp

        if end == "FINISHED":
            names = [_PREFIX + point.name for point in points if not point.name.startswith("system/")]
            summaries = [
                hp.hparams_config_pb(
                    [hp.HParam(key) for key in self._plan.params], [hp.Metric(name) for name in names]
                ),
                hp.hparams_pb(self._plan.params, trial_id=Path(self._plan.folder).name),
            ]
            for summary in summaries:
                self._writer.add_event(Event(wall_time=time.time(), step=0, summary=summary))
        try:
            self._writer.close()
        except OSError as error:
            raise FeedError(str(error)) from error

    def _last_steps(self) -> dict[str, int]:
        if not any(Path(self._plan.folder).glob("events.out.tfevents.*")):
            return {}
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(self._plan.folder, size_guidance={"scalars": 1})  # the last of each is enough
        events.Reload()
        tags = [tag for tag in events.Tags()["scalars"] if tag.startswith(_PREFIX)]
        return {tag.removeprefix(_PREFIX): max(event.step for event in events.Scalars(tag)) for tag in tags}
