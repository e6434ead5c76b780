"""Whether weights are what they should be: the same in every process, and not what they were before the first epoch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import LBFGS

from hyrax_pack.errors import TrainingError
from hyrax_pack.training.checkpoints import Position
from hyrax_pack.training.parallel import World, learned_tensors
from hyrax_pack.training.state import Memento

_WORD = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class Agreement:
    """Compares the learned tensors of a model between processes; in one process there is nothing to compare.

    Raises
    ------
    TrainingError
        An optimizer steps as often as its own process finds right.
    """

    def __init__(self, model: nn.Module, world: World) -> None:
        self._world = world
        self._learned = learned_tensors(model) if world.size > 1 else {}
        if world.size > 1 and any(isinstance(one, LBFGS) for one in Memento(model, parameters=False).optimizers):
            raise TrainingError(
                "torch.optim.LBFGS asks for a loss as often as each process finds right, and the others would wait for "
                "ever: train in one process, or with another optimizer"
            )

    def checksum(self) -> list[int]:
        """A number for each learned tensor, that depends on every bit; nothing where there is one process."""
        with torch.no_grad():
            sums = [_bits(tensor) for tensor in self._learned.values()]
        return [int(each) for each in sums]

    def check(self, checksums: list[list[int]], step: int) -> None:
        """Refuse to go on where processes differ.

        Raises
        ------
        TrainingError
            Says which tensor differs.
        """
        for name, found in zip(self._learned, zip(*checksums, strict=True), strict=True):
            if len(set(found)) > 1:
                raise TrainingError(
                    f"{name} is not the same in all {self._world.size} processes after step {step}. Gradients are "
                    "averaged in backward() alone: torch.autograd.grad, random numbers that a step draws for the "
                    "weights, and steps that only some processes take do not work with several processes"
                )


class Untouched:
    """Whether the first epoch changed any weight: a step that forgets the optimizer trains without error."""

    def __init__(self, model: nn.Module) -> None:
        self._learned = [tensor for tensor in learned_tensors(model).values() if not nn.parameter.is_lazy(tensor)]
        self._before: list[int] | None = self._now()

    def words(self, where: str, position: Position) -> str:
        """What to say at the end of the first epoch of a run; nothing where some weight has changed, or later."""
        before, self._before = self._before, None
        if not before or position.epoch > 1 or position.step != position.batch or self._now() != before:
            return ""
        cure = f"{where} is expected to call loss.backward() and self.optimizer.step()."
        return f"No weight changed in the first epoch: {cure}"

    def _now(self) -> list[int]:
        with torch.no_grad():
            return [int(_bits(tensor)) for tensor in self._learned]


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """The sum of a tensor's bits, taken as integers: exact, in whatever order they are added."""
    plain: Any = torch.view_as_real(tensor.detach()) if tensor.is_complex() else tensor.detach()
    words: torch.Tensor = plain.contiguous().view(_WORD[plain.element_size()])
    return words.sum(dtype=torch.int64)
