"""The training process's end: start the tracking process, pass on what it has to say, end it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

import hyrax_pack
from hyrax_pack.training.tracking.plan import TrackingPlan

# What the tracking process writes here: its words for a person, and whatever MLflow prints.
LOG_FILE = "tracking.log"
SAYS = "say: "

End = Literal["FINISHED", "FAILED", "KILLED"]

_PATIENCE_S = 60.0


class Tracking(Protocol):
    """The tracking of one run."""

    def begin(self, plan: TrackingPlan) -> None:
        """Say what there is to follow."""

    def relay(self, say: Callable[[str], None]) -> None:
        """Pass on what the tracking process has to say, if anything."""

    def finish(self, end: End, say: Callable[[str], None]) -> None:
        """Let it send the rest, and wait for it."""


class NoTracking:
    """No tracking: processes other than the first, and where it is not wanted."""

    def begin(self, plan: TrackingPlan) -> None:
        """Nothing."""

    def relay(self, say: Callable[[str], None]) -> None:
        """Nothing."""

    def finish(self, end: End, say: Callable[[str], None]) -> None:
        """Nothing."""


class TrackingProcess:
    """The tracking process of one run."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / LOG_FILE
        self._read = 0
        self._said = self._begun = False
        root = str(Path(hyrax_pack.__file__).parent.parent)
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                # -P: a file of the working folder called mlflow.py is not MLflow.
                [sys.executable, "-P", "-m", "hyrax_pack.training.tracking"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                start_new_session=True,  # Ctrl-C is for the training process
            )

    def begin(self, plan: TrackingPlan) -> None:
        """Say what there is to follow."""
        self._begun = True
        self._tell(plan.to_json())

    def relay(self, say: Callable[[str], None]) -> None:
        """Pass on what the tracking process has to say, if anything."""
        try:
            with self._log.open("rb") as log:
                log.seek(self._read)
                news = log.read()
        except OSError:  # somebody has tidied up; training has nothing to do with that
            return
        whole = news[: news.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            if line.startswith(SAYS):
                self._said = True
                say(line.removeprefix(SAYS))

    def finish(self, end: End, say: Callable[[str], None]) -> None:
        """Let it send the rest, and wait for it; where training never began there is nothing to send."""
        if self._begun:
            self._tell(end)
        else:
            self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        status = self._wait(say)
        self.relay(say)
        if status is None:
            say(f"MLflow and TensorBoard are still catching up; process {self._process.pid} goes on with that.")
        elif status != 0 and self._begun:
            say(f"Tracking stopped early (see {self._log}); every figure is in metrics.jsonl.")
        elif not self._said:
            self._log.unlink(missing_ok=True)

    def _wait(self, say: Callable[[str], None]) -> int | None:
        deadline = time.monotonic() + _PATIENCE_S
        for patience in (5.0, _PATIENCE_S):
            try:
                return self._process.wait(min(patience, max(deadline - time.monotonic(), 0.0)))
            except subprocess.TimeoutExpired:
                if patience < _PATIENCE_S:
                    say("Waiting for MLflow and TensorBoard to take the last figures.")
        return None

    def _tell(self, line: str) -> None:
        """Write one line; a process that is gone is noticed at the end."""
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            pass


def start_tracking(folder: Path, say: Callable[[str], None]) -> Tracking:
    """Start a process that will follow the run in `folder`; where none can be started, say so and train without."""
    try:
        return TrackingProcess(folder)
    except OSError as error:
        say(f"No MLflow and no TensorBoard: {error}. Training goes on; every figure is in metrics.jsonl.")
        return NoTracking()
