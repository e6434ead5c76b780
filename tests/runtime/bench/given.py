"""Figures as if a machine had been measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hyrax_runtime.benching.figures import ColdStart, Figures, OneCall, Rate


def rate(threads: int | None, batch: int, rows_per_s: float, *, alone: float = 0.0, memory: str = "fast") -> Rate:
    return Rate(memory, threads, batch, rows_per_s, alone or rows_per_s * 1.1)


def start(memory: str, session_ms: float, private_mb: float | None) -> ColdStart:
    return ColdStart(memory, 10.0, 100.0, 2.0, session_ms, 1.0, private_mb, None)


def figures(**changes: Any) -> Figures:
    """Four cores: two threads give 1.5 times one, batches of 64 all there is, shared half as quick as fast."""
    rates = (rate(1, 1, 1_000), rate(1, 64, 10_000), rate(1, 256, 10_100), rate(2, 1, 900), rate(2, 64, 15_000))
    found = Figures(
        file="model.hyrax",
        bundle="sha256:" + "0" * 64,
        provider="CPUExecutionProvider",
        cores=4,
        here={"python": "3.11.7", "numpy": "2.4.6"},
        batches="independent",
        lowered=False,
        cold_starts=(start("fast", 800.0, 540.0), start("shared", 5.0, 23.0)),
        one_call=OneCall(1, 1, 20.0, 12.0, 5.0),
        rates=rates,
        modes=(
            rate(2, 1, 900), rate(2, 1, 950, memory="shared"), rate(2, 64, 15_000), rate(2, 64, 7_500, memory="shared")
        ),
    )  # fmt: skip
    return replace(found, **changes)
