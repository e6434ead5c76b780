"""The measurements, in order: cold start, one call, the grid of threads and batches, memory modes, stream."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from hyrax_runtime.benching.advice import advised_rate
from hyrax_runtime.benching.cold_start import least_starts
from hyrax_runtime.benching.figures import Figures, OneCall, Rate
from hyrax_runtime.benching.rows import RepeatedRows
from hyrax_runtime.benching.timing import least_times
from hyrax_runtime.bundle import WEIGHTS, Bundle, open_bundle
from hyrax_runtime.contract_check import DataDict
from hyrax_runtime.environment import describe_here, other_versions, packed_environment
from hyrax_runtime.errors import ReplayError, RunError
from hyrax_runtime.frozen import Frozen, replace
from hyrax_runtime.predictor import Predictor
from hyrax_runtime.replay import compile_protected
from hyrax_runtime.session import FAILURES, VERSION
from hyrax_runtime.settings import Settings
from hyrax_runtime.trust import Trust

MOST_BATCH_BYTES = 256 * 1024 * 1024  # of raw rows, and again as tensors
MEMORIES = ("fast", "shared")
STREAMED_S = 0.03  # of work in one stream, beside which the start of its thread is little


class Plan(Frozen):
    """How long to measure: `figure_s` for each figure, `starts` processes, calls of at most `longest_call_s`."""

    figure_s: float
    starts: int
    batches: tuple[int, ...]
    longest_call_s: float


FULL = Plan(figure_s=0.5, starts=7, batches=(1, 8, 64, 256, 1024, 4096), longest_call_s=3.0)
QUICK = Plan(figure_s=0.1, starts=2, batches=(1, 8, 64, 256), longest_call_s=0.5)


def measure_machine(
    path: str | os.PathLike[str],
    settings: Settings,
    trust: Trust = None,
    plan: Plan = FULL,
    say: Callable[[str], None] = lambda line: None,
) -> Figures:
    """Measure a bundle on this machine, with its own golden rows.

    `settings.threads` and `settings.memory` narrow what is compared; unset, every count and both modes are.
    `say` is told what comes next.

    Raises
    ------
    BundleError, TrustError, DeviceError
        As `load`.
    MeasureError
        A cold start failed in its process.
    """
    with open_bundle(path) as bundle:
        return _Measurement(bundle, settings, trust, plan, say).figures()


def thread_counts(cores: int) -> tuple[int, ...]:
    """Return 1, 2, 4, ... and `cores` itself.

    Examples
    --------
    >>> thread_counts(6)
    (1, 2, 4, 6)
    """
    return (*(1 << power for power in range(cores.bit_length()) if 1 << power < cores), cores)


def count_cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _load_average() -> float:
    """How many processes wanted a core during the last minute; 0 where the system does not tell."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return 0.0


class _Measurement:
    """One bundle being measured: what stays the same from figure to figure."""

    def __init__(
        self, bundle: Bundle, settings: Settings, trust: Trust, plan: Plan, say: Callable[[str], None]
    ) -> None:
        self._bundle = bundle
        self._settings = settings
        self._trust = trust
        self._plan = plan
        self._say = say
        self._notes: list[str] = []
        say("opening")
        first = self._predictor(settings)
        session = first.route.session
        self._on_cpu = session.device.name == "cpu"
        self._provider = first.provider
        self._lowered = first.lowered
        self._memory = session.memory
        self._rows = RepeatedRows(bundle, first.route.contract)
        self._cores = count_cores()

    def figures(self) -> Figures:
        here = describe_here(VERSION)
        others = other_versions(here, packed_environment(self._bundle.manifest.provenance), lowered=self._lowered)
        if others:
            self._notes.append(f"{', '.join(others)}: load() also runs the self-test, which the cold start leaves out")
        if (load := _load_average()) > self._cores / 2:
            self._notes.append(f"the machine was busy (load {load:.1f} on {self._cores} cores): the figures are rough")
        modes = self._modes()
        self._say("cold start")
        starts = least_starts(self._bundle.path, self._bundle.id, self._settings, modes, self._plan.starts)
        self._say("one call")
        one_call = self._one_call()
        rates = tuple(rate for threads in self._threads() for rate in self._rates(threads))
        best = max(rates, key=lambda rate: rate.rows_per_s)
        return Figures(
            file=str(self._bundle.path),
            bundle=self._bundle.id,
            provider=self._provider,
            cores=self._cores,
            here=here,
            batches=self._bundle.contract.batch,
            lowered=self._lowered,
            cold_starts=starts,
            one_call=one_call,
            rates=rates,
            modes=self._mode_rates(modes, best) if len(modes) > 1 else (),
            stream_gain=None if self._lowered else self._stream_gain(advised_rate(rates)),
            notes=tuple(self._notes),
        )

    def _predictor(self, settings: Settings) -> Predictor:
        return Predictor(self._bundle, settings, self._trust)

    def _modes(self) -> tuple[str, ...]:
        """The memory modes to compare: what was asked for, else both where they differ."""
        if self._settings.memory != "auto" or not self._on_cpu:
            return (self._memory,)
        if all(member.name != WEIGHTS for member in self._bundle.manifest.members):
            self._notes.append("the weights stand in the graph itself, so the memory modes are one")
            return (self._memory,)
        return MEMORIES

    def _threads(self) -> tuple[int | None, ...]:
        if self._settings.threads is not None or not self._on_cpu:
            return (self._settings.threads,)
        return thread_counts(self._cores)

    def _batches(self) -> tuple[int, ...]:
        """The batch sizes to measure; of rows that belong together, the golden batch as it is."""
        if self._bundle.contract.batch == "joint":
            return (self._rows.rows,)
        small = [batch for batch in self._plan.batches if batch * self._rows.row_bytes <= MOST_BATCH_BYTES]
        return tuple(small) or (1,)

    def _one_call(self) -> OneCall:
        """Measure the smallest batch with one thread, where that is not decided: nobody waits for a second one."""
        threads = self._settings.threads or (1 if self._on_cpu else None)
        predictor = self._predictor(replace(self._settings, memory=self._memory, threads=threads))
        rows = self._batches()[0]
        batch = self._rows.batch(rows)
        calls = _predict_and_bare(predictor, batch, rows)
        to_tensor = self._to_tensor(predictor, batch, rows)
        times = _timed([*calls, *([to_tensor] if to_tensor else [])], 2 * self._plan.figure_s)
        predict_us, bare_us, *to_tensor_us = (1e6 * taken for taken in times)
        return OneCall(rows, threads, predict_us, bare_us, to_tensor_us[0] if to_tensor_us else None)

    def _to_tensor(self, predictor: Predictor, batch: DataDict, rows: int) -> Callable[[], Any] | None:
        """The call that makes tensors, without the checks around it; None where it is part of the graph."""
        manifest, route = self._bundle.manifest, predictor.route
        if not predictor.lowered:
            # the predictor was made of this very bundle: its Python is allowed
            function = compile_protected(self._bundle.source or "", on_copy=manifest.preprocessing.mutates_input)
            return lambda: function(batch)
        if any(member.role == "fused" for member in manifest.members):
            return None
        return lambda: route.feed(batch, rows)

    def _rates(self, threads: int | None) -> list[Rate]:
        """Measure batch after batch, up to one whose call would take too long or that the device refuses."""
        counted = "" if threads is None else f" with {threads} thread{'s' if threads > 1 else ''}"
        self._say(f"rows/s{counted}")
        predictor = self._predictor(replace(self._settings, memory=self._memory, threads=threads))
        found: list[Rate] = []
        for batch in self._batches():
            expected_s = batch / found[-1].rows_per_s if found else 0.0
            if expected_s > self._plan.longest_call_s:
                self._notes.append(f"batch {batch} and up left out{counted}: a call takes about {expected_s:.1f} s")
                break
            try:
                found += self._compared([predictor], batch)
            except (ReplayError, RunError) as error:
                if not found:
                    raise
                self._notes.append(f"batch {batch} and up left out{counted}: {error}")
                break
        return found

    def _mode_rates(self, modes: Sequence[str], best: Rate) -> tuple[Rate, ...]:
        """Measure the memory modes against each other: the smallest batch, and the quickest."""
        self._say("memory modes")
        predictors = [self._predictor(replace(self._settings, memory=memory, threads=best.threads)) for memory in modes]
        sizes = sorted({self._batches()[0], best.batch})
        return tuple(rate for size in sizes for rate in self._compared(predictors, size))

    def _stream_gain(self, at: Rate) -> float | None:
        """Measure `stream` against one `predict` after another; None where four batches take too long."""
        if 4 * at.batch / at.rows_per_s > self._plan.longest_call_s:
            return None
        self._say("stream")
        predictor = self._predictor(replace(self._settings, memory=self._memory, threads=at.threads))
        batches = [self._rows.batch(at.batch)] * max(4, min(256, round(STREAMED_S * at.rows_per_s / at.batch)))

        def one_by_one() -> None:
            for batch in batches:
                predictor.predict(batch)

        def streamed() -> None:
            deque(predictor.stream(batches), maxlen=0)

        by_predict, by_stream = _timed([one_by_one, streamed], 2 * self._plan.figure_s)
        return by_predict / by_stream

    def _compared(self, predictors: Sequence[Predictor], rows: int) -> list[Rate]:
        """Measure some predictors on one batch, each against onnxruntime alone, all in turn."""
        batch = self._rows.batch(rows)
        calls = [call for predictor in predictors for call in _predict_and_bare(predictor, batch, rows)]
        times = iter(_timed(calls, self._plan.figure_s * len(predictors)))
        return [
            Rate(each.route.session.memory, each.settings.threads, rows, rows / next(times), rows / next(times))
            for each in predictors
        ]


def _predict_and_bare(predictor: Predictor, batch: DataDict, rows: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    feeds = predictor.route.feed(batch, rows)
    bare = predictor.route.session.bare_run()
    return (lambda: predictor.predict(batch), lambda: bare(feeds))


def _timed(calls: Sequence[Callable[[], Any]], seconds: float) -> list[float]:
    """Time the calls; what onnxruntime alone raises, on a batch too large for the machine, gets a name."""
    try:
        return least_times(calls, seconds)
    except (*FAILURES, MemoryError) as error:
        raise RunError(
            f"onnxruntime alone failed: {str(error).strip().partition(chr(10))[0] or 'out of memory'}"
        ) from error
