"""The tracking process: `python -m hyrax_pack.training.tracking`, told by its stdin what to follow and when to end."""

from __future__ import annotations

import importlib
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

from hyrax_pack.run import lock_folder
from hyrax_pack.training.tracking.following import follow
from hyrax_pack.training.tracking.plan import TrackingPlan

# A server that is down is tried again by us; MLflow's own patience is minutes, during which nothing would be said.
_MLFLOW_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


def main() -> None:
    """Follow one run until its training process says how it ended, or is gone."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a batch system tells every process; this one ends after training
    for name, value in _MLFLOW_SETTINGS.items():
        os.environ.setdefault(name, value)
    _import_early()
    line = sys.stdin.readline()
    if not line:  # training ended before it began
        return
    plan = TrackingPlan.from_json(line)
    inbox: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(inbox,), daemon=True).start()
    # The predecessor of a run that was killed a moment ago may still be sending the rest.
    with lock_folder(Path(plan.folder), ".tracking.lock", wait=True):
        follow(plan, inbox)


def _import_early() -> None:
    """Import MLflow while training imports torch; what is missing is said when it is needed."""
    with suppress(ImportError):
        importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
        importlib.import_module("mlflow")


def _listen(inbox: queue.Queue[str]) -> None:
    """Pass the last word on; the end of stdin without one means that training was killed."""
    inbox.put(sys.stdin.readline().strip() or "KILLED")


if __name__ == "__main__":
    main()
