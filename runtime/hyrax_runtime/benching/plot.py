"""The figures as a picture: rows/s against batch size, and where a cold start's time goes. matplotlib draws it."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyrax_runtime.benching.figures import Figures
from hyrax_runtime.benching.table import threads_label
from hyrax_runtime.errors import MissingExtraError, OutputFileError, UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = ("process_ms", "imports_ms", "open_ms", "session_ms", "first_call_ms")


def check_plot(path: Path) -> None:
    """Refuse, before anything is measured, a picture that could not be drawn afterwards; imports nothing.

    Raises
    ------
    UsageError
        The name does not end in .png.
    MissingExtraError
        matplotlib is not installed.
    OutputFileError
        There is no such folder, or the path is one.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"--plot {path}: a PNG is drawn; give a name that ends in .png")
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("--plot needs matplotlib: pip install matplotlib")
    if not path.absolute().parent.is_dir():
        raise OutputFileError(f"{path}: cannot be written (no such folder); make it first")
    if path.is_dir():
        raise OutputFileError(f"{path}: cannot be written (it is a folder); give a file's name")


def write_plot(figures: Figures, path: Path) -> None:
    """Draw the figures into a PNG file.

    Raises
    ------
    OutputFileError
        It cannot be written; nothing half-written is left.
    """
    drawn = io.BytesIO()
    _draw(figures).savefig(drawn, format="png", dpi=150)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_bytes(drawn.getvalue())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputFileError(f"{path}: cannot be written ({error.strerror or error})") from error


def _draw(figures: Figures) -> Figure:
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    picture = Figure(figsize=(11, 4.5), layout="constrained")
    rates, starts = picture.subplots(1, 2, width_ratios=(3, 2))
    _draw_rates(rates, figures)
    _draw_starts(starts, figures)
    picture.suptitle(f"{Path(figures.file).name} on {figures.provider}, cores: {figures.cores}", parse_math=False)
    return picture


def _draw_rates(axes: Any, figures: Figures) -> None:
    for place, threads in enumerate(dict.fromkeys(rate.threads for rate in figures.rates)):
        line = [rate for rate in figures.rates if rate.threads == threads]
        batches, color = [rate.batch for rate in line], f"C{place % 10}"
        label = "predict" if threads is None else threads_label(threads)
        axes.plot(batches, [rate.rows_per_s for rate in line], "o-", color=color, label=label)
        axes.plot(batches, [rate.onnxruntime_rows_per_s for rate in line], "--", color=color, alpha=0.5)
    axes.plot([], [], "--", color="gray", label="onnxruntime alone")
    axes.set(xscale="log", yscale="log", xlabel="rows in a batch", ylabel="rows/s", title="rate")
    sizes = sorted({rate.batch for rate in figures.rates})
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.grid(alpha=0.3)
    axes.legend()


def _draw_starts(axes: Any, figures: Figures) -> None:
    names = [start.memory for start in figures.cold_starts]
    done = [0.0] * len(names)
    for step in STEPS:
        taken = [getattr(start, step) for start in figures.cold_starts]
        axes.bar(names, taken, bottom=done, width=0.5, label=step.removesuffix("_ms").replace("_", " "))
        done = [before + more for before, more in zip(done, taken, strict=True)]
    axes.set(ylabel="ms", xlabel="memory mode", title="process start to first prediction")
    axes.legend()
