"""CPU, memory, disk, network and GPU load, as MLflow names and measures them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from hyrax_pack.training.tracking.following import Point

EVERY_S = 10.0
_PREFIX = "system/"


class SystemMetrics:
    """MLflow's own monitors, asked every ten seconds; those whose library is not installed are left out."""

    def __init__(self) -> None:
        self._monitors: list[Any] | None = None
        self._due = 0.0
        self._step = 0

    def go_on_from(self, step: int) -> None:
        """Count on after `step`, the last that a predecessor sent."""
        self._step = step + 1

    def measure(self) -> Sequence[Point]:
        """The figures of now; none before ten seconds have passed."""
        if time.monotonic() < self._due:
            return ()
        self._due = time.monotonic() + EVERY_S
        if self._monitors is None:
            self._monitors = _find_monitors()
        points = []
        for monitor in self._monitors:
            monitor.collect_metrics()
            found = monitor.aggregate_metrics()
            monitor.clear_metrics()
            points += [Point(_PREFIX + name, float(value), self._step) for name, value in found.items()]
        self._step += 1
        return points


def _find_monitors() -> list[Any]:
    monitors: list[Any] = []
    try:
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
        from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
        from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

        monitors += [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    except ImportError:  # psutil
        return monitors
    try:
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

        monitors.append(GPUMonitor())
    except (ImportError, RuntimeError):  # no NVIDIA library, or no GPU
        pass
    return monitors
