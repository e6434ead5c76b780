"""What `hyrax-run bench` finds, as values.

Times are the least that were seen: whatever else a machine does only adds to them.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hyrax_runtime.frozen import Frozen


class ColdStart(Frozen):
    """One process, from its start to its first prediction, of which the file's pages were in memory already.

    `process_ms` is Python's own start; `session_ms` is all between an open bundle and a predictor. `private_mb` is the
    memory that no other process shares (private and dirty) and `peak_mb` the most that was resident; None where the
    system does not tell.
    """

    memory: str
    process_ms: float
    imports_ms: float
    open_ms: float
    session_ms: float
    first_call_ms: float
    private_mb: float | None
    peak_mb: float | None

    @property
    def total_ms(self) -> float:
        """The whole of it."""
        return self.process_ms + self.imports_ms + self.open_ms + self.session_ms + self.first_call_ms


class OneCall(Frozen):
    """One call of `predict` and its parts. `to_tensor_us` is None where it is part of the graph."""

    rows: int
    threads: int | None
    predict_us: float
    onnxruntime_us: float
    to_tensor_us: float | None

    @property
    def around_us(self) -> float:
        """What `predict` adds to `to_tensor` and onnxruntime; noise can carry it a little below zero."""
        return self.predict_us - self.onnxruntime_us - (self.to_tensor_us or 0.0)


class Rate(Frozen):
    """Rows per second of `predict`, and of onnxruntime alone on tensors that were made before."""

    memory: str
    threads: int | None
    batch: int
    rows_per_s: float
    onnxruntime_rows_per_s: float


class Figures(Frozen):
    """All that was found.

    `rates` is the grid of threads and batch sizes in one memory mode, `modes` the same two batch sizes in each mode
    that was compared. `batches` is the contract's word: independent or joint. `stream_gain` is the rows/s of `stream`
    against one `predict` after another at the advised rate; None where nothing can overlap. `notes` says what to read
    them with.
    """

    file: str
    bundle: str
    provider: str
    cores: int
    here: dict[str, str]
    batches: str
    lowered: bool
    cold_starts: tuple[ColdStart, ...]
    one_call: OneCall
    rates: tuple[Rate, ...]
    modes: tuple[Rate, ...]
    stream_gain: float | None = None
    notes: tuple[str, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """Return the figures as plain values, for JSON, with what follows from them."""
        plain = asdict(self)
        for one, start in zip(plain["cold_starts"], self.cold_starts, strict=True):
            one["total_ms"] = start.total_ms
        plain["one_call"]["around_us"] = self.one_call.around_us
        return plain
