"""From the start of a process to its first prediction, measured on child processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hyrax_runtime.benching.figures import ColdStart
from hyrax_runtime.errors import MeasureError
from hyrax_runtime.frozen import replace
from hyrax_runtime.settings import Settings

LONGEST_S = 600
CHILD = Path(__file__).with_name("cold_start_child.py")


def least_starts(
    path: Path, bundle_id: str, settings: Settings, memories: Sequence[str], starts: int
) -> tuple[ColdStart, ...]:
    """Start `starts` processes for each memory mode, in turn; return the quickest of each.

    The children are pinned to the bundle that this process was allowed to run.

    Raises
    ------
    MeasureError
        A child did not come back with its times.
    """
    found: dict[str, list[ColdStart]] = {memory: [] for memory in memories}
    for _ in range(starts):
        for memory, taken in found.items():
            taken.append(_start(path, bundle_id, replace(settings, memory=memory)))
    return tuple(min(taken, key=lambda one: one.total_ms) for taken in found.values())


def split_start(memory: str, started_ns: int, told: dict[str, Any]) -> ColdStart:
    """Return the steps of a start from the child's marks; making rows, between `ready` and `given`, is left out."""
    begun, imported, opened, ready, given, predicted = told["marks_ns"]
    return ColdStart(
        memory,
        process_ms=(begun - started_ns) / 1e6,
        imports_ms=(imported - begun) / 1e6,
        open_ms=(opened - imported) / 1e6,
        session_ms=(ready - opened) / 1e6,
        first_call_ms=(predicted - given) / 1e6,
        private_mb=told["private_mb"],
        peak_mb=told["peak_mb"],
    )


def _start(path: Path, bundle_id: str, settings: Settings) -> ColdStart:
    asked = json.dumps({"path": str(path), "trust": bundle_id, **asdict(settings)})
    # -P: the script's folder is no place to import from
    command = [sys.executable, "-P", str(CHILD), asked]
    started_ns = time.monotonic_ns()
    try:
        child = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=LONGEST_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MeasureError(f"cold start: the process that is timed did not run ({error})") from error
    if child.returncode:
        said = child.stderr.strip().rpartition("\n")[2] or "it said nothing"
        raise MeasureError(f"cold start: the process that is timed ended with {child.returncode}: {said}")
    try:
        told = json.loads(child.stdout.strip().rpartition("\n")[2])  # to_tensor may print before it
        return split_start(settings.memory, started_ns, told)
    except (ValueError, KeyError, TypeError) as error:
        raise MeasureError(f"cold start: the process that is timed gave no times ({error})") from error
