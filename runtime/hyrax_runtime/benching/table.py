"""The figures as text, for people."""

from __future__ import annotations

from collections.abc import Sequence

from hyrax_runtime.benching.advice import advise
from hyrax_runtime.benching.figures import Figures, OneCall, Rate


def describe_figures(figures: Figures) -> str:
    """Return every figure as tables, with notes and advice at the end."""
    here = ", ".join(f"{name} {version}" for name, version in figures.here.items())
    machine = f"{figures.provider}, {figures.cores} core{'s' if figures.cores > 1 else ''}, {here}"
    parts = [
        f"bundle   {figures.bundle}\nmachine  {machine}",
        _titled("cold start, from process start to first prediction (ms)", _cold_starts(figures)),
        _titled(_one_call_title(figures.one_call), _one_call(figures.one_call)),
        _titled(
            "rows/s of predict (in brackets: of onnxruntime alone, its tensors made before)", _rates(figures.rates)
        ),
    ]
    if figures.modes:
        title = f"memory modes, rows/s{_with_threads(figures.modes[0].threads)}"
        parts.append(_titled(title, _modes(figures.modes)))
    if figures.notes:
        parts.append("\n".join(["notes", *(f"  - {note}" for note in figures.notes)]))
    parts.append("\n".join(["advice", *(f"  {line}" for line in advise(figures))]))
    return "\n\n".join(parts)


def threads_label(threads: int | None) -> str:
    """Name a column of the grid."""
    return "rows/s" if threads is None else f"{threads} thread{'s' if threads > 1 else ''}"


def _cold_starts(figures: Figures) -> list[tuple[str, ...]]:
    head: tuple[str, ...] = (
        "memory",
        "process",
        "imports",
        "open",
        "session",
        "first call",
        "total",
        "private MB",
        "peak MB",
    )
    rows = [head]
    for one in figures.cold_starts:
        steps_ms = (one.process_ms, one.imports_ms, one.open_ms, one.session_ms, one.first_call_ms, one.total_ms)
        sizes = ("-" if size is None else f"{size:.0f}" for size in (one.private_mb, one.peak_mb))
        rows.append((one.memory, *(f"{step:.1f}" for step in steps_ms), *sizes))
    return rows


def _one_call_title(call: OneCall) -> str:
    return f"one call, {call.rows} row{'s' if call.rows > 1 else ''}{_with_threads(call.threads)} (us)"


def _one_call(call: OneCall) -> list[tuple[str, ...]]:
    to_tensor = "in the graph" if call.to_tensor_us is None else f"{call.to_tensor_us:.1f}"
    return [
        ("predict", "=", "onnxruntime", "+ to_tensor", "+ around both"),
        (f"{call.predict_us:.1f}", "", f"{call.onnxruntime_us:.1f}", to_tensor, f"{call.around_us:.1f}"),
    ]


def _rates(rates: Sequence[Rate]) -> list[tuple[str, ...]]:
    found = {(rate.batch, rate.threads): rate for rate in rates}
    threads = list(dict.fromkeys(rate.threads for rate in rates))
    rows: list[tuple[str, ...]] = [("batch", *map(threads_label, threads))]
    for batch in sorted({rate.batch for rate in rates}):
        rows.append((str(batch), *(_pair(found.get((batch, each))) for each in threads)))
    return rows


def _modes(rates: Sequence[Rate]) -> list[tuple[str, ...]]:
    found = {(rate.batch, rate.memory): rate for rate in rates}
    memories = list(dict.fromkeys(rate.memory for rate in rates))
    rows: list[tuple[str, ...]] = [("batch", *memories)]
    for batch in sorted({rate.batch for rate in rates}):
        rows.append((str(batch), *(_pair(found.get((batch, each))) for each in memories)))
    return rows


def _pair(rate: Rate | None) -> str:
    return "-" if rate is None else f"{rate.rows_per_s:,.0f} ({rate.onnxruntime_rows_per_s:,.0f})"


def _with_threads(threads: int | None) -> str:
    return "" if threads is None else f", {threads_label(threads)}"


def _titled(title: str, rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.rjust, row, widths)).rstrip() for row in rows)
    return "\n".join([title, *(f"  {line}" for line in lines)])
