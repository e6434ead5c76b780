"""What a run leaves on the disk as it goes: checkpoints, and then its weights.

After every epoch, in this order: the journal holds its figures, the checkpoint is on the disk, then weights.pt and
last.pt. A kill between any two of them leaves a run that goes on from the checkpoint and writes the rest again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hyrax_pack.errors import TrainingError
from hyrax_pack.resolving import user_code
from hyrax_pack.run import Journal, Run
from hyrax_pack.run.folder import SETTINGS_SHA256
from hyrax_pack.training.checkpoints import Checkpoint, Position, read_checkpoint, write_checkpoint
from hyrax_pack.training.diverging import FiniteWatch, weights_error
from hyrax_pack.training.losses import Mean
from hyrax_pack.training.parallel import World
from hyrax_pack.training.preparing import Parts
from hyrax_pack.training.progress import Reporter
from hyrax_pack.training.seeding import random_state, restore_random_state
from hyrax_pack.training.state import ModelState
from hyrax_pack.training.weights_files import WeightsFiles, load_best


class Saver:
    """Writes one run's checkpoints and weights; in every process but the first it only takes part."""

    def __init__(self, run: Run, parts: Parts, world: World, journal: Journal | None, reporter: Reporter) -> None:
        self._run, self._parts, self._world, self._journal = run, parts, world, journal
        self._reporter = reporter
        self._state = ModelState(parts.model)
        self._finite = FiniteWatch(parts.model)
        self._weights = None if journal is None else WeightsFiles(run, parts, self._state, reporter.say)
        self._named: set[str] = set()
        self._verified = False
        self._name_unsaved(self._state.capture()[1])

    def random(self) -> dict[str, Any]:
        """The state of every generator of this process: the global ones, and those of the data sets."""
        return {"global": random_state(), "data": self._parts.data_random.state()}

    def save_epoch(self, position: Position) -> None:
        """Save the state between two epochs; `position` is at the beginning of the next."""
        self.save_checkpoint(position, Mean())
        if self._weights is not None:
            self._weights.write(position)

    def load_best(self) -> None:
        """Put the best epoch's weights into the model, in every process."""
        self._world.share(None)  # the first one has written them by now
        load_best(self._run, self._parts.model, self._state)

    def check_finite(self, position: Position) -> None:
        """Refuse weights that hold NaN or infinity, before anything is written.

        Raises
        ------
        LossError
            Says which, and what is kept.
        """
        if broken := self._finite.broken():
            raise weights_error(broken, self._run, position)

    def save_checkpoint(
        self,
        position: Position,
        mean: Mean,
        *,
        figures: dict[str, float] | None = None,
        random: dict[str, Any] | None = None,
    ) -> None:
        """Write everything down that is needed to go on from `position`.

        Parameters
        ----------
        figures : dict or None
            Of the epoch, where only its validation is left.
        random : dict or None
            The generators' state to go on with; None: that of now.

        Raises
        ------
        StorageError
            The disk refuses; earlier checkpoints stand.
        LossError
            Weights are not finite.
        """
        self.check_finite(position)
        generators = self._world.gather(self.random() if random is None else random)
        means = self._world.gather(mean.state())
        if self._journal is None:
            return
        self._journal.sync()
        state, unsaved = self._state.capture()
        self._name_unsaved(unsaved)
        self._run.note_kept_outside([path.replace(":", ".") for path in state["outside"]])
        checkpoint = Checkpoint(
            position=replace(position),
            journal_size=self._journal.size,
            means=means,
            random=generators,
            model=state,
            identity=self._identity(),
            figures=figures,
        )
        path = write_checkpoint(self._run.path, checkpoint, keep=self._run.config.get("train.keep_checkpoints"))
        if not self._verified:  # better known at once than at the first resume
            read_checkpoint(path)
            self._verified = True

    def restore(self, checkpoint: Checkpoint, mean: Mean) -> Position:
        """Put model, means and random numbers back, and give the position to go on from.

        Raises
        ------
        TrainingError
            The checkpoint is of another class, or does not fit it any more.
        """
        name = self._parts.spec.name
        of = checkpoint.identity["class"]
        if of != name:
            raise TrainingError(
                f"{self._run.path}: the checkpoint is of {of}, but model.name leads to {name}; "
                "put the class back or start a new run"
            )
        if checkpoint.identity != self._identity():
            raise TrainingError(
                f"{self._run.path}: the checkpoint is of another run; put this run's own back, or start a new run"
            )
        with user_code(f"{self._run.path}: the checkpoint does not fit {name}", TrainingError):
            lost = self._state.restore(checkpoint.model)
        if lost:
            raise TrainingError(f"{self._run.path}: the checkpoint does not fit {name}: {'; '.join(lost)}")
        before, now, rank = len(checkpoint.random), self._world.size, self._world.rank
        mean.restore(checkpoint.means[rank::now])
        if before == now:
            mine = checkpoint.random[rank]
            restore_random_state(mine["global"])
            self._parts.data_random.restore(mine["data"])
        else:
            self._reporter.say(f"Going on with {now} processes instead of {before}: batches and random numbers differ.")
        if checkpoint.position.batch == 0 and self._weights is not None:
            self._weights.write(checkpoint.position)  # the kill may have come between the checkpoint and these
        return replace(checkpoint.position)

    def _identity(self) -> dict[str, str]:
        """Whose state a checkpoint holds: the same class, function, settings and seed make the same run."""
        facts = self._run.facts
        return {
            "class": self._parts.spec.name,
            "to_tensor_sha256": self._run.to_tensor_sha256,
            SETTINGS_SHA256: facts[SETTINGS_SHA256],
            "seed": str(facts["seed"]),
        }

    def _name_unsaved(self, unsaved: list[str]) -> None:
        """Say what cannot be saved: at the start of the run, and again only for what has come since."""
        new = [each for each in unsaved if each not in self._named]
        self._named.update(new)
        if new:
            self._reporter.say(f"Their state cannot be saved, so a resumed run starts them afresh: {', '.join(new)}.")
