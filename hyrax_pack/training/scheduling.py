"""Who steps the scheduler: the class, wherever it does, or else the engine, once an epoch."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from hyrax_pack.errors import TrainingError
from hyrax_pack.resolving import user_code
from hyrax_pack.resolving.ownership import is_library
from hyrax_pack.training.checkpoints import Position


class Scheduling:
    """Steps a model's scheduler once an epoch, unless its class does it.

    That is seen in the code of the class, which may do it less often than once an epoch; and, where the code does not
    show it, from the scheduler's own count.
    """

    def __init__(self, model: nn.Module, say: Callable[[str], None]) -> None:
        self._model, self._say = model, say
        self._by_class = steps_scheduler(type(model))

    def begin_epoch(self, position: Position) -> None:
        """Note how far the scheduler is."""
        position.scheduler_steps = self._count()

    def end_epoch(self, position: Position, score: float) -> None:
        """Step it, by the epoch's figure where it asks for one."""
        scheduler = getattr(self._model, "scheduler", None)
        if scheduler is None or self._by_class or position.scheduled_by_class:
            return
        if self._count() != position.scheduler_steps:
            position.scheduled_by_class = True
            if position.epoch > 1:
                self._say(
                    f"The class steps its scheduler itself in epoch {position.epoch}. It did not before, and so it was "
                    "stepped for it at the end of every epoch; from now on it is not."
                )
            return
        with user_code(f"{type(scheduler).__name__}.step", TrainingError):
            if isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step(score)
            else:
                scheduler.step()

    def words_at_the_end(self) -> str:
        """What to say where the class has code that steps the scheduler, and it never ran."""
        scheduler = getattr(self._model, "scheduler", None)
        if scheduler is None or not self._by_class or self._count() > 0:
            return ""
        return (
            f"The {type(scheduler).__name__} never stepped: the class has code that steps it, which was not called. "
            "Without that code it is stepped once an epoch."
        )

    def _count(self) -> int:
        """How often the scheduler has stepped, where it counts."""
        return int(getattr(getattr(self._model, "scheduler", None), "last_epoch", 0))


def steps_scheduler(cls: type) -> bool:
    """Whether a method of a class, or of a base class that is the user's, steps what is called a scheduler."""
    home = cls.__module__.partition(".")[0]
    return any(_calls_step(tree) for each in cls.__mro__ if not is_library(each, home) for tree in _methods(each))


def _methods(cls: type) -> Iterator[ast.AST]:
    for member in vars(cls).values():
        function = getattr(member, "__func__", member)
        if not inspect.isfunction(function):
            continue
        try:
            yield ast.parse(textwrap.dedent(inspect.getsource(function)))
        except (OSError, TypeError, SyntaxError):  # no source: the scheduler's own count has to do
            continue


def _calls_step(tree: ast.AST) -> bool:
    """`self.scheduler.step()`, also under another name: `schedule = self.scheduler` and then `schedule.step()`."""
    names = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _is_scheduler(node.value, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "step"
        and _is_scheduler(node.func.value, names)
        for node in ast.walk(tree)
    )


def _is_scheduler(node: Any, names: set[str]) -> bool:
    return any(
        (isinstance(inner, ast.Attribute) and "scheduler" in inner.attr.lower())
        or (isinstance(inner, ast.Name) and ("scheduler" in inner.id.lower() or inner.id in names))
        or (isinstance(inner, ast.Constant) and inner.value == "scheduler")
        for inner in ast.walk(node)
    )
