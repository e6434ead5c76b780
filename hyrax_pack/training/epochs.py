"""The loop: steps and epochs, hooks, and what is written down when."""

from __future__ import annotations

import math
import time
from typing import Any, NoReturn

import torch

from hyrax_pack.data.tensors import move_batch
from hyrax_pack.errors import Interrupted, TrainingError
from hyrax_pack.resolving import user_code
from hyrax_pack.run import Journal, Run
from hyrax_pack.training.agreeing import Agreement, Untouched
from hyrax_pack.training.checkpoints import Checkpoint, Position
from hyrax_pack.training.choosing import choose_epoch, words_at_the_end, words_on_validation
from hyrax_pack.training.diverging import loss_error
from hyrax_pack.training.evaluating import default_device, evaluate, learning_from_validation, validate
from hyrax_pack.training.losses import Mean, Number, means, parse_numbers, parse_result, to_float
from hyrax_pack.training.parallel import World, add_sums
from hyrax_pack.training.preparing import Parts
from hyrax_pack.training.progress import Reporter
from hyrax_pack.training.saving import Saver
from hyrax_pack.training.scheduling import Scheduling
from hyrax_pack.training.stopping import Stop
from hyrax_pack.training.tracking import Tracking

LOG_EVERY = 10


class Training:
    """One run under way.

    Parameters
    ----------
    run : Run
    parts : Parts
    world : World
        The processes that train together.
    journal : Journal or None
        None in every process but the first.
    checkpoint : Checkpoint or None
        Where to go on; None: at the beginning.
    reporter : Reporter
    tracking : Tracking
    stop : Stop
    """

    def __init__(
        self,
        run: Run,
        parts: Parts,
        *,
        world: World,
        journal: Journal | None,
        checkpoint: Checkpoint | None,
        reporter: Reporter,
        tracking: Tracking,
        stop: Stop,
    ) -> None:
        self.run, self.parts, self.world, self.journal = run, parts, world, journal
        self.reporter, self.tracking, self.stop = reporter, tracking, stop
        self.epochs = int(run.config.get("train.epochs"))
        self.saver = Saver(run, parts, world, journal, reporter)
        self.scheduling = Scheduling(parts.model, reporter.say)
        self.agreement = Agreement(parts.model, world)
        self.untouched = Untouched(parts.model)
        self.mean = Mean()
        self._save_at = self._next_save()
        self.position = Position() if checkpoint is None else self.saver.restore(checkpoint, self.mean)
        # Of the epoch under way, from when its hooks have run until its end.
        self.figures = None if checkpoint is None else checkpoint.figures
        if parts.validate is not None and parts.spec.validate_hook is None:
            self._say(learning_from_validation(parts.model))

    def train(self) -> None:
        """Train to the last epoch.

        Raises
        ------
        LossError, Interrupted, StorageError
            What was saved before stands.
        """
        while self.position.epoch <= self.epochs:
            if self.position.batch == 0:
                self.scheduling.begin_epoch(self.position)
            started, first = time.monotonic(), self.position.batch
            self._train_rows()
            rows = sum(self.parts.train.sizes(number)[1] for number in range(first, self.position.batch))
            self._end_epoch(rows / max(time.monotonic() - started, 1e-9))
            if self.position.epoch <= self.epochs and any(self.world.gather(self.stop.asked)):
                raise self._stopped(f"after epoch {self.position.epoch - 1} of {self.epochs}")
        self._say(words_at_the_end(self.position, validates=self.parts.validate is not None))
        self._say(self.scheduling.words_at_the_end())
        self._test()

    def _train_rows(self) -> None:
        """The steps of the epoch under way, or what is left of them."""
        position, batches, model = self.position, self.parts.train, self.parts.model
        spec, device, world, mean = self.parts.spec, self.parts.device, self.world, self.mean
        where, train_step = f"{spec.name}.{spec.train_hook}", getattr(model, spec.train_hook)
        if position.batch == 0:  # a checkpoint knows which parts were in evaluation mode
            model.train()
        self.reporter.begin_epoch(position.epoch, self.epochs, len(batches), position.batch)
        for loaded in batches.epoch(position.epoch, skip=position.batch):
            mine, every = batches.sizes(position.batch)
            batch = move_batch(loaded.batch, device, non_blocking=True)
            world.weigh(mine, every)
            with user_code(where, TrainingError), default_device(device):
                result = train_step(batch)
            numbers = parse_result(result, where)
            mean.add(numbers, mine)
            position.batch += 1
            position.step += 1
            self._note_step(numbers, mine, every)

    def _note_step(self, numbers: dict[str, Number], mine: int, every: int) -> None:
        """What follows a step; a loss that still waits on a GPU is looked at when it is logged."""
        loss = numbers["loss"]
        known = loss if isinstance(loss, float) else None
        if known is not None and not math.isfinite(known) and self.world.size == 1:
            self._refuse_loss(known, since=1)
        self.reporter.step(every, known)
        if self._is_logged():
            self._log_step(numbers, mine)
        elif self.stop.asked and self.world.size == 1:
            self._interrupt()

    def _is_logged(self) -> bool:
        """Every tenth step; and the last of an epoch that has no tenth step."""
        position, batches = self.position, len(self.parts.train)
        since = position.step % LOG_EVERY
        return since == 0 or (position.batch == batches and since >= batches)

    def _log_step(self, numbers: dict[str, Number], rows: int) -> None:
        """Write the step down; stop where any process found a NaN or was asked to."""
        here = {name: (to_float(value) * rows, rows) for name, value in numbers.items()}
        figures = means(add_sums(self.world, here))
        if not math.isfinite(figures["loss"]):
            self._refuse_loss(figures["loss"])
        self._write("training/", figures)
        mine = (self.stop.asked, time.monotonic() >= self._save_at, self.agreement.checksum())
        stop, save, checksums = zip(*self.world.gather(mine), strict=True)
        self.agreement.check(list(checksums), self.position.step)
        if any(stop):
            self._interrupt()
        if any(save) and self.position.batch < len(self.parts.train):
            self.saver.save_checkpoint(self.position, self.mean)
            self._save_at = self._next_save()

    def _next_save(self) -> float:
        """When an epoch that takes long is to be saved in its middle."""
        minutes = self.run.config.get("train.checkpoint_minutes")
        return math.inf if minutes is None else time.monotonic() + 60 * float(minutes)

    def _end_epoch(self, rate: float) -> None:
        """Figures, hooks, validation, scheduler, then everything to the disk."""
        spec, position = self.parts.spec, self.position
        figures = self._figures_after_training() if self.figures is None else self.figures
        self.figures = figures
        validated = self._validate()
        self._write("training/epoch/", figures)
        if validated is not None:
            self._write("validation/", validated)
        self._call(spec.validate_post_epoch)
        self.scheduling.end_epoch(position, (validated or figures)["loss"])
        before = position.metric
        best = choose_epoch(position, figures, validated)
        self._say(words_on_validation(before, position, validated))
        self.reporter.end_epoch(self._line(figures, validated, rate, best))
        position.epoch, position.batch = position.epoch + 1, 0
        self.mean, self.figures = Mean(), None
        self.saver.save_epoch(position)
        self._save_at = self._next_save()
        self.tracking.relay(self.reporter.say)

    def _figures_after_training(self) -> dict[str, float]:
        """The epoch's means, and what its hooks add: once an epoch, however often its validation is begun."""
        figures = means(add_sums(self.world, self.mean.sums()))
        if not math.isfinite(figures["loss"]):
            self._refuse_loss(figures["loss"])
        self.saver.check_finite(self.position)
        self._say(self.untouched.words(f"{self.parts.spec.name}.{self.parts.spec.train_hook}", self.position))
        self.world.same_buffers(self.parts.model)
        self._call(self.parts.spec.train_post_epoch)
        more = self._epoch_metrics()
        both = [name for name in more if name in figures]
        if both and self.position.epoch == 1:
            hook = self.parts.spec.log_epoch_metrics
            self._say(
                f"{hook} gives {', '.join(both)}, as {self.parts.spec.train_hook} does: recorded as {hook}/{both[0]}."
            )
        named = {f"{self.parts.spec.log_epoch_metrics}/{name}" if name in both else name: more[name] for name in more}
        return figures | named

    def _validate(self) -> dict[str, float] | None:
        """The figures of the validation rows; None where there are none."""
        parts = self.parts
        if parts.validate is None:
            return None
        hook, random = parts.spec.validate_hook, self.saver.random()
        figures = validate(
            parts.model,
            hook or parts.spec.train_hook,
            parts.validate,
            parts.device,
            self.world,
            learns=hook is None,
            stop=self.stop,
        )
        if figures is None:
            self._interrupt(random)
        return figures

    def _test(self) -> None:
        """With the best weights, where the class has test_batch and the configuration gives it rows."""
        hook, batches = self.parts.spec.test_hook, self.parts.test
        if hook is None or batches is None:
            return
        self.saver.load_best()
        with torch.no_grad():
            figures = evaluate(self.parts.model, hook, batches, self.parts.device, self.world)
        self._write("test/", figures or {})

    def _interrupt(self, random: dict[str, Any] | None = None) -> NoReturn:
        """Save in the middle of an epoch, with the generators as they were, and say how to go on."""
        position = self.position
        self.saver.save_checkpoint(position, self.mean, figures=self.figures, random=random)
        done = f"after batch {position.batch} of {len(self.parts.train)}"
        raise self._stopped(f"in epoch {position.epoch} of {self.epochs}, {done}")

    def _stopped(self, where: str) -> Interrupted:
        return Interrupted(
            f"Stopped {where}; everything is saved. Go on with: hyrax-pack train --resume {self.run.path}"
        )

    def _refuse_loss(self, loss: float, since: int = LOG_EVERY) -> NoReturn:
        where = f"{self.parts.spec.name}.{self.parts.spec.train_hook}"
        raise loss_error(where, loss, self.run, self.position, self.parts.train, since)

    def _call(self, hook: str | None) -> None:
        if hook is not None:
            with user_code(f"{self.parts.spec.name}.{hook}", TrainingError):
                getattr(self.parts.model, hook)()

    def _epoch_metrics(self) -> dict[str, float]:
        hook = self.parts.spec.log_epoch_metrics
        if hook is None:
            return {}
        where = f"{self.parts.spec.name}.{hook}"
        with user_code(where, TrainingError):
            found = getattr(self.parts.model, hook)()
        here = {name: (to_float(value), 1) for name, value in parse_numbers(found, where).items()}
        return means(add_sums(self.world, here))

    def _say(self, words: str) -> None:
        if words:
            self.reporter.say(words)

    def _write(self, prefix: str, figures: dict[str, float]) -> None:
        if self.journal is not None:
            named = {prefix + name: value for name, value in figures.items()}
            self.journal.append({"epoch": self.position.epoch, "step": self.position.step, **named})

    def _line(self, figures: dict[str, float], validated: dict[str, float] | None, rate: float, best: bool) -> str:
        parts = [f"epoch {self.position.epoch}/{self.epochs}", f"loss {figures['loss']:.4g}"]
        if validated is not None:
            parts.append(f"validation loss {validated['loss']:.4g}")
        return "  ".join([*parts, f"{rate:,.0f} rows/s"]) + ("  (best so far)" if best else "")
