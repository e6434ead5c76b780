"""The run folders of a results folder, newest first, with what became of each."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from hyrax_pack.errors import TrainingError
from hyrax_pack.run.folder import CONFIG_FILE, FACTS_FILE, Run, open_run
from hyrax_pack.run.locking import is_locked
from hyrax_pack.run.records import TRAINING_LOSS, VALIDATION_LOSS, Record

_NAME = re.compile(r"\d{8}-\d{6}-(?P<command>.+)-[0-9A-Za-z_-]{4}")


@dataclass(frozen=True)
class RunSummary:
    """One run at a glance.

    Attributes
    ----------
    run : Run
    state : str
        `running`, `finished`, `interrupted`, `failed`, or `killed`: its process is gone and left no word.
    created : float
        Seconds since 1970.
    model : str
    epochs_done, epochs : int
    metric : str or None
        The name of the figure that chose the best weights, such as `validation/loss`; None before the first epoch.
    best : float or None
        Its least value.
    best_epoch : int or None
        From 1.
    """

    run: Run
    state: str
    created: float
    model: str
    epochs_done: int
    epochs: int
    metric: str | None
    best: float | None
    best_epoch: int | None


def newest_run(results_dir: str | Path, command: str = "train") -> Run:
    """The run folder that was begun last.

    Raises
    ------
    TrainingError
        There is none.
    """
    results = Path(results_dir).expanduser().absolute()
    runs = _runs_in(results, command)
    if not runs:
        raise TrainingError(f"{results}: no run folder here. Begin with: hyrax-pack train -c FILE")
    return runs[0]


def list_runs(results_dir: str | Path, command: str = "train") -> list[RunSummary]:
    """Every run of a results folder, newest first; empty where there is none."""
    return [summarise(run) for run in _runs_in(Path(results_dir).expanduser().absolute(), command)]


def summarise(run: Run) -> RunSummary:
    """What became of a run, from its facts and its metrics."""
    facts = run.facts
    state = str(facts["state"])
    if state == "running" and not is_locked(run.path):
        state = "killed"
    records = run.metrics()
    metric = best_metric(records)
    scores = [(record[metric], int(record["epoch"])) for record in records if metric in record] if metric else []
    best, best_epoch = min((one for one in scores if math.isfinite(one[0])), default=(None, None))
    return RunSummary(
        run=run,
        state=state,
        created=float(facts["created"]),
        model=str(run.config.get("model.name")),
        epochs_done=max((int(record["epoch"]) for record in records if "training/epoch/loss" in record), default=0),
        epochs=int(run.config.get("train.epochs")),
        metric=metric,
        best=best,
        best_epoch=best_epoch,
    )


def best_metric(records: list[Record]) -> str | None:
    """The figure that chooses the best weights: the validation loss where it ever is a number."""
    for name in (VALIDATION_LOSS, TRAINING_LOSS):
        if any(math.isfinite(record.get(name, math.nan)) for record in records):
            return name
    return None


def _runs_in(results: Path, command: str) -> list[Run]:
    """Newest first: by the second in the name, then by the exact time in the facts."""
    if not results.is_dir():
        return []
    found = []
    for folder in results.iterdir():
        match = _NAME.fullmatch(folder.name)
        if (
            match
            and match["command"] == command
            and (folder / CONFIG_FILE).is_file()
            and (folder / FACTS_FILE).is_file()
        ):
            found.append(open_run(folder))
    return sorted(found, key=lambda run: (run.path.name[:15], run.facts["created"]), reverse=True)
