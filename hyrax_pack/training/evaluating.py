"""A pass over validation or test rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from hyrax_pack.data.tensors import move_batch
from hyrax_pack.errors import TrainingError
from hyrax_pack.resolving import user_code
from hyrax_pack.training.loading import Batches
from hyrax_pack.training.losses import Mean, means, parse_result
from hyrax_pack.training.parallel import World, add_sums
from hyrax_pack.training.state import Memento
from hyrax_pack.training.stopping import Stop


def validate(
    model: nn.Module, hook: str, batches: Batches, device: torch.device, world: World, *, learns: bool, stop: Stop
) -> dict[str, float] | None:
    """The means over the validation rows of what a method returns; None where somebody asked to stop.

    Gradients that wait for a step are out of its sight. Where it has to stop, the model is what it was before.

    Parameters
    ----------
    hook : str
        `validate_batch`; for a class without it its `train_step`, and then `learns` is set: no optimizer steps, and
        whatever it changes is put back. (Upstream calls train_step for validation as it is, and so trains on those
        rows.)
    """
    before = Memento(model, parameters=learns)
    before.hide_gradients()
    with held_back(before.optimizers) if learns else nullcontext(), torch.set_grad_enabled(learns):
        figures = evaluate(model, hook, batches, device, world, stop=stop)
    if learns or figures is None:
        before.put_back()
    else:
        before.put_gradients_back()
    if figures is not None:
        model.eval()
    return figures


def learning_from_validation(model: nn.Module) -> str:
    """Say what a train_step in the place of validate_batch may change for good; empty where that is nothing."""
    beyond = Memento(model, parameters=False).beyond
    if not beyond:
        return ""
    return (
        f"There is no validate_batch, so train_step is asked for the validation loss, and nobody can undo what it does "
        f"to {', '.join(beyond)}. If that is something that learns, write a validate_batch."
    )


def evaluate(
    model: nn.Module, hook: str, batches: Batches, device: torch.device, world: World, *, stop: Stop | None = None
) -> dict[str, float] | None:
    """The means over all rows of what a method of the model, in evaluation mode, returns.

    Parameters
    ----------
    hook : str
        `validate_batch` or `test_batch`, or `train_step`.
    stop : Stop or None
        Give up, with None, when somebody asks to stop.
    """
    where = f"{type(model).__name__}.{hook}"
    function = getattr(model, hook)
    mean = Mean()
    model.eval()
    world.weigh(0, 0)
    for number, loaded in enumerate(batches.epoch(1)):
        if stop is not None and stop.asked and world.size == 1:
            return None
        mine, _ = batches.sizes(number)
        batch = move_batch(loaded.batch, device, non_blocking=True)
        with user_code(where, TrainingError), default_device(device):
            result = function(batch)
        mean.add(parse_result(result, where), mine)
    return means(add_sums(world, mean.sums()))


@contextmanager
def held_back(optimizers: list[Optimizer]) -> Iterator[None]:
    """Let no optimizer step while the block runs."""
    # A scheduler has put a step of its own on the instance; it has to be found there again.
    steps = [vars(optimizer).get("step") for optimizer in optimizers]
    for optimizer in optimizers:
        vars(optimizer)["step"] = _no_step
    try:
        yield
    finally:
        for optimizer, step in zip(optimizers, steps, strict=True):
            if step is None:
                del vars(optimizer)["step"]
            else:
                vars(optimizer)["step"] = step


def default_device(device: torch.device) -> AbstractContextManager[Any]:
    """On a GPU, tensors that user code makes without naming a device are made there."""
    return nullcontext() if device.type == "cpu" else device


def _no_step(closure: Callable[[], float] | None = None) -> float | None:
    return None if closure is None else closure()


_no_step._wrapped_by_lr_sched = True  # type: ignore[attr-defined]  # else torch's schedulers warn of a step of ours
