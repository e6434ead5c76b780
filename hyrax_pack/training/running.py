"""Everything around the loop: processes, device, signals, tracking, the journal, the newest checkpoint."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from hyrax_pack.errors import HyraxError, Interrupted, TrainingError
from hyrax_pack.run import Journal, Run
from hyrax_pack.run.folder import METRICS_FILE
from hyrax_pack.training.checkpoints import Checkpoint, newest_checkpoint
from hyrax_pack.training.devices import choose_device
from hyrax_pack.training.epochs import Training
from hyrax_pack.training.loading import lost_worker
from hyrax_pack.training.parallel import World, join_world, local_rank
from hyrax_pack.training.preparing import Parts, prepare_parts
from hyrax_pack.training.progress import Reporter, make_reporter
from hyrax_pack.training.stopping import Stop, watch_signals
from hyrax_pack.training.tracking import Tracking, plan_tracking


def train_in_folder(
    run: Run | None, *, device: str | None, accept: Collection[str], progress: bool | None, tracking: Tracking
) -> Run:
    """Train in a run folder, from its newest checkpoint on.

    Parameters
    ----------
    run : Run or None
        None: in the folder of the first process, under torchrun.
    device : str or None
        What was asked for now; None: what the run was started with.
    accept : collection of str
        `code` or `data`: what may have changed since the run was started.
    tracking : Tracking
        Told what to follow once it is known.
    """
    asked = device or _device_of(run)
    chosen = choose_device(asked, local_rank=local_rank())
    world = join_world(chosen)
    try:
        path = world.share(None if run is None else str(run.path))
        run = run or Run(Path(path))
        with make_reporter(progress, first=world.rank == 0) as reporter:
            reporter.say(f"{run.path.name}: training on {chosen}")
            parts = prepare_parts(run, world, chosen, reporter.say, accept)
            checkpoint = newest_checkpoint(run.path, reporter.say)
            if checkpoint is not None:
                reporter.say(f"Going on after step {checkpoint.position.step}.")
            world.share(None)
            tracking.begin(plan_tracking(run, parts.spec.name))
            _train(run, parts, checkpoint, world, reporter, tracking)
    finally:
        world.close()
    return run


def _device_of(run: Run | None) -> str:
    return "auto" if run is None else str(run.config.get("train.device"))


def _train(
    run: Run, parts: Parts, checkpoint: Checkpoint | None, world: World, reporter: Reporter, tracking: Tracking
) -> None:
    journal = None
    if world.rank == 0:
        journal = Journal(run.path / METRICS_FILE, keep=checkpoint.journal_size if checkpoint else 0)
    world.watch_gradients(parts.model)
    try:
        with watch_signals(reporter.say) as stop, _naming_lost_workers(run, stop):
            training = Training(
                run,
                parts,
                world=world,
                journal=journal,
                checkpoint=checkpoint,
                reporter=reporter,
                tracking=tracking,
                stop=stop,
            )
            training.train()
    finally:
        parts.close()
        if journal is not None:
            journal.close()


@contextmanager
def _naming_lost_workers(run: Run, stop: Stop) -> Iterator[None]:
    """Say that a process that reads data is gone, wherever torch raises it; who was asked to stop knows why it is."""
    try:
        yield
    except (RuntimeError, HyraxError) as error:
        lost = lost_worker(error)
        if lost is None:
            raise
        cure = f"What was saved before stands. Go on with: hyrax-pack train --resume {run.path}"
        if stop.asked:
            raise Interrupted(f"Stopped at once. {cure}") from error
        raise TrainingError(f"{lost}. {cure}") from error
