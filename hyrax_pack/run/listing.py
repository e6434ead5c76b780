"""The run folders of a results folder, newest first, with what became of each."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hyrax_pack.errors import HyraxError, TrainingError
from hyrax_pack.run.folder import CONFIG_FILE, FACTS_FILE, Run, open_run
from hyrax_pack.run.locking import is_locked
from hyrax_pack.run.records import TRAINING_LOSS, VALIDATION_LOSS, Record

_STAMP = len("YYYYmmdd-HHMMSS")
_NAME = re.compile(r"\d{8}-\d{6}-(?P<command>.+)-[0-9A-Za-z_-]{4}")


@dataclass(frozen=True)
class RunSummary:
    """One run at a glance.

    Attributes
    ----------
    run : Run
    state : str
        `running`, `finished`, `interrupted`, `failed`; `killed`: its process is gone and left no word; `unreadable`:
        its files are damaged, or those of another version of hyrax-pack.
    created : float
        Seconds since 1970; 0 where that cannot be read.
    model : str
    epochs_done, epochs : int
    metric : str or None
        The name of the figure that chose the best weights, such as `validation/loss`; None before the first epoch.
    best : float or None
        Its least value.
    best_epoch : int or None
        From 1.
    problem : str or None
        Why the run is unreadable.
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
    problem: str | None = None


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


def newest_trained(results_dir: str | Path, say: Callable[[str], None]) -> Run:
    """The newest run that has weights; says which newer ones have none.

    Raises
    ------
    TrainingError
        There is none.
    """
    results = Path(results_dir).expanduser().absolute()
    newest_run(results)
    for run in _runs_in(results, "train"):
        try:
            if run.weights_path("best").is_file():
                return run
            say(f"{run.path.name}: passed over: {summarise(run).state}, and has no weights")
        except HyraxError as error:
            say(f"{run.path.name}: passed over: {_line(str(error))}")
    raise TrainingError(f"{results}: no run here has weights: none finished an epoch")


def find_folder(run: str | Path, results_dir: str | Path) -> Path:
    """The folder of a run, which may be named by its folder, or by its name in the results folder."""
    folder = Path(run).expanduser()
    inside = Path(results_dir).expanduser() / folder
    return inside if inside.is_dir() and not folder.exists() else folder


def list_runs(results_dir: str | Path, command: str = "train") -> list[RunSummary]:
    """Every run of a results folder, newest first; empty where there is none. One that is damaged breaks no other."""
    return [_summary(run) for run in _runs_in(Path(results_dir).expanduser().absolute(), command)]


def _summary(run: Run) -> RunSummary:
    try:
        return summarise(run)
    except (HyraxError, LookupError, TypeError, ValueError) as error:
        problem = str(error) if isinstance(error, HyraxError) else f"{FACTS_FILE} lacks {error}"
        return RunSummary(run, "unreadable", _created(run), "", 0, 0, None, None, None, _line(problem))


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


def _line(message: str) -> str:
    return " ".join(message.split())


def best_metric(records: list[Record]) -> str | None:
    """The figure that chooses the best weights: the validation loss where it ever is a number."""
    for name in (VALIDATION_LOSS, TRAINING_LOSS):
        if any(math.isfinite(record.get(name, math.nan)) for record in records):
            return name
    return None


def _runs_in(results: Path, command: str) -> list[Run]:
    """Newest first, by the time in the facts.

    That in the name is of a clock on the wall: it is put back in autumn, and another one hangs in another time zone.
    """
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
    return sorted(found, key=lambda run: _created(run) or _named(run), reverse=True)


def _created(run: Run) -> float:
    try:
        return float(run.facts["created"])
    except (HyraxError, LookupError, TypeError, ValueError):  # sorted by its name
        return 0.0


def _named(run: Run) -> float:
    try:
        return time.mktime(time.strptime(run.path.name[:_STAMP], "%Y%m%d-%H%M%S"))
    except (ValueError, OverflowError):
        return 0.0
