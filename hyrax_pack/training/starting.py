"""Begin a run or go on with one: names first, then the run folder, and all else that is slow after it."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Literal

from hyrax_pack.config import Config
from hyrax_pack.errors import ConfigError, Interrupted, StorageError, TrainingError
from hyrax_pack.model.building import NO_NAME
from hyrax_pack.run import Run, create_run, draw_seed, lock_folder, open_run
from hyrax_pack.training.stopping import stopping_at_once
from hyrax_pack.training.talking import talk
from hyrax_pack.training.tracking import End, NoTracking, Tracking, start_tracking

Accept = Literal["code", "data"]
# Where a run lies and what it runs on may differ from one resume to the next.
_FREE_KEYS = ("general.results_dir", "general.log_level", "train.resume", "train.device")
_ABSENT = object()
# What MLflow calls the state of a run.
_ENDS: dict[str, End] = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


def train_run(
    config: Config | None,
    *,
    resume: str | Path | None = None,
    accept: Collection[Accept] = (),
    progress: bool | None = None,
    track: bool = True,
) -> Run:
    """Train to the last epoch, from the beginning or from where a run stands.

    Parameters
    ----------
    config : Config or None
        The settings; None only with `resume`, which then takes the run's own.
    resume : path or None
        A run folder to go on with; `[train] resume` counts as one.
    accept : collection of str
        `code` or `data`: go on although it is not what the run was started with. That is recorded in the run.
    progress : bool or None
        Whether to draw a progress bar; None: where stderr is a terminal.
    track : bool
        Whether MLflow and TensorBoard follow.

    Returns
    -------
    Run
        With weights. Under torchrun every process gets it.

    Raises
    ------
    TrainingError
        The run folder cannot be used or written (StorageError), the loss is NaN (LossError), somebody stopped it
        (Interrupted); each says what is saved and how to go on.
    HyraxError
        The model, its to_tensor or its data cannot be used.
    """
    if resume is None and config is not None:
        resume = config.path("train.resume")
    device = None if config is None else str(config.get("train.device"))
    if resume is not None:
        run = open_run(_folder_of(Path(resume)))
        if config is not None:
            _check_same(run, config)
    elif config is None:
        raise ConfigError("there is nothing to train: give a configuration, or a run folder to go on with")
    elif config.get("model.name") is None:
        raise ConfigError(f"{config.source}: {NO_NAME}")
    elif _is_first():
        for words in config.unread_tables():
            _say(words)
        run = _new_run(config)
    else:  # the first process makes the folder and tells the others
        return _train(None, device, accept, progress)
    if run.facts["state"] == "finished":
        _say(f"{run.path.name} is finished: nothing to do.")
        return run
    if not _is_first():
        return _train(run, device, accept, progress)
    with lock_folder(run.path):
        return _train_as_first(run, device, accept, progress, track=track)


def _new_run(config: Config) -> Run:
    """The folder of a new run, once every name in its settings leads somewhere."""
    from hyrax_pack.training.naming import load_classes

    seed = draw_seed(config)
    load_classes(config, seed)
    return create_run(config, seed=seed)


def _train_as_first(
    run: Run, device: str | None, accept: Collection[Accept], progress: bool | None, *, track: bool
) -> Run:
    """Train, with tracking, and note in the run folder and there how it ended."""
    tracking: Tracking = NoTracking()
    state = "failed"
    with stopping_at_once():
        try:
            run.note({"state": "running"})
            if track:  # before torch reads the data: MLflow takes as long to start, in a process of its own
                tracking = start_tracking(run.path, _say)
            _train(run, device, accept, progress, tracking)
            state = "finished"
        except Interrupted:
            state = "interrupted"
            raise
        except KeyboardInterrupt as error:
            state = "interrupted"
            goes_on = f"Go on with: hyrax-pack train --resume {run.path}"
            raise Interrupted(f"Stopped at once; what was saved before stands. {goes_on}") from error
        finally:
            _end(run, state, tracking)
    return run


def _end(run: Run, state: str, tracking: Tracking) -> None:
    """Note how a run ended, in its folder and with MLflow."""
    try:
        with suppress(StorageError):  # a full disk is reported by whatever filled it
            run.note({"state": state})
        tracking.finish(_ENDS[state], _say)
    except KeyboardInterrupt:
        _say(f"The run is {state}; MLflow and TensorBoard take the last figures without being waited for.")


def _train(
    run: Run | None,
    device: str | None,
    accept: Collection[Accept],
    progress: bool | None,
    tracking: Tracking | None = None,
) -> Run:
    from hyrax_pack.training.running import train_in_folder

    return train_in_folder(run, device=device, accept=accept, progress=progress, tracking=tracking or NoTracking())


def _say(text: str) -> None:
    if _is_first():
        talk(text)


def _is_first() -> bool:
    return int(os.environ.get("RANK", "0")) == 0


def _folder_of(path: Path) -> Path:
    """The run folder; upstream's `resume` names a checkpoint file in it."""
    return path.parent if path.is_file() else path


def _check_same(run: Run, config: Config) -> None:
    """Refuse to go on with settings other than the run's: the result would be neither run."""
    changed = other_keys(run.config, config)
    if changed:
        found = ", ".join(f"{key} (run: {_shown(run.config, key)}, given: {_shown(config, key)})" for key in changed)
        raise TrainingError(
            f"{run.path}: cannot go on with other settings: {found}. "
            "Leave out -c and --set to take the run's own, or start a new run."
        )


def other_keys(then: Config, now: Config) -> list[str]:
    """The keys whose values differ between a run's settings and those given now, but for where a run lies and runs."""
    free = {*_FREE_KEYS, *(("train.seed",) if now.get("train.seed") is None else ())}
    return [key for key in then.differences(now) if key not in free and not _is_new(key, then, now)]


def _is_new(key: str, then: Config, now: Config) -> bool:
    """Whether a setting is a default that a package has come to have since."""
    return then.get(key, _ABSENT) is _ABSENT and now.has_default(key)


def _shown(config: Config, key: str) -> str:
    value = config.get(key, None)
    return "not set" if value is None else repr(value)
