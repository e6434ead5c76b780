"""`hyrax-pack runs`: what stands in a results folder, and how one run went."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path

from hyrax_pack.errors import StorageError, TrainingError
from hyrax_pack.run import Run, RunSummary, find_folder, list_runs, open_run

CURVES = ("training/epoch/", "validation/")
PLOT_COLUMNS, PLOT_LINES = 78, 20
PNG_INCHES = (8.0, 5.0)

# Name of a metric -> epochs (from 1) and its values.
Curves = dict[str, tuple[list[float], list[float]]]


def show_runs(results_dir: Path, *, as_json: bool = False) -> str:
    """Return a line for every run of a results folder, newest first, with its best figure.

    Raises
    ------
    TrainingError
        There is no run.
    """
    summaries = list_runs(results_dir)
    if as_json:
        return json.dumps([_plain(summary) for summary in summaries], indent=2)
    if not summaries:
        raise TrainingError(f"{results_dir}: no run folder here. Begin with: hyrax-pack train -c FILE")
    rows = [("run", "state", "epochs", "best", "at epoch", "model")]
    for summary in summaries:
        best = "-" if summary.best is None else f"{summary.metric} {summary.best:.4g}"
        epochs = "-" if summary.problem else f"{summary.epochs_done}/{summary.epochs}"
        at = "-" if summary.best_epoch is None else str(summary.best_epoch)
        rows.append((summary.run.path.name, summary.state, epochs, best, at, summary.model))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *(f"{each.run.path.name}: {each.problem}" for each in summaries if each.problem)])


def find_run(name: str | Path, results_dir: Path) -> Run:
    """Open a run by its folder, or by its name in the results folder.

    Raises
    ------
    TrainingError
        There is none of that name.
    """
    return open_run(find_folder(name, results_dir))


def plot_in_terminal(run: Run) -> str:
    """Return the curves of a run's epochs as text, one plot for each figure; colours only on a terminal.

    Raises
    ------
    TrainingError
        No epoch was finished.
    """
    import plotext

    plots = []
    for figure, curves in _by_figure(_curves(run)).items():
        plotext.clear_figure()
        plotext.plotsize(PLOT_COLUMNS, PLOT_LINES)
        plotext.title(f"{run.path.name}: {figure}")
        plotext.xlabel("epoch")
        for name, (epochs, values) in curves.items():
            # a letter for a line: t for training, v for validation, also where there is no colour
            plotext.plot(epochs, values, label=name, marker=name[0])
        text = plotext.build()
        plots.append(text if sys.stdout.isatty() else plotext.uncolorize(text))
    return "\n\n".join(plots)


def plot_to_file(run: Run, path: Path) -> None:
    """Draw the same curves into a PNG.

    Raises
    ------
    TrainingError
        No epoch was finished.
    StorageError
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    figures = _by_figure(_curves(run))
    drawing = Figure(figsize=(PNG_INCHES[0], PNG_INCHES[1] * len(figures)), layout="constrained")
    panels = drawing.subplots(len(figures), 1, squeeze=False)[:, 0]
    for panel, (figure, curves) in zip(panels, figures.items(), strict=True):
        for name, (epochs, values) in curves.items():
            panel.plot(epochs, values, marker="o", markersize=3, label=name)
        panel.set_xlabel("epoch")
        panel.set_ylabel(figure)
        panel.legend()
    panels[0].set_title(run.path.name)
    try:
        drawing.savefig(path, format="png", dpi=120)
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written: {error.strerror or error}; name a file in a folder that is there"
        ) from error


def _curves(run: Run) -> Curves:
    """The figures of whole epochs that are finite: a plot has no place for others."""
    curves: Curves = {}
    for record in run.metrics():
        for name, value in record.items():
            if name.startswith(CURVES) and math.isfinite(value):
                epochs, values = curves.setdefault(name, ([], []))
                epochs.append(record["epoch"])
                values.append(value)
    if not curves:
        raise TrainingError(f"{run.path}: no epoch was finished: there is nothing to plot")
    return curves


def _by_figure(curves: Curves) -> dict[str, Curves]:
    """The curves grouped by what they measure: training and validation loss belong in one plot."""
    grouped: dict[str, Curves] = {}
    for name, curve in curves.items():
        grouped.setdefault(name.rsplit("/", 1)[-1], {})[name] = curve
    return grouped


def _plain(summary: RunSummary) -> dict[str, object]:
    return {
        "run": str(summary.run.path),
        "state": summary.state,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(summary.created)),
        "model": summary.model,
        "epochs_done": summary.epochs_done,
        "epochs": summary.epochs,
        "metric": summary.metric,
        "best": summary.best,
        "best_epoch": summary.best_epoch,
        "problem": summary.problem,
    }
