"""A pass over validation or test rows, after which the model is as it was."""

from __future__ import annotations

import copy
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
from hyrax_pack.training.state import capture_attributes, restore_attributes
from hyrax_pack.training.stopping import Stop


def evaluate(
    model: nn.Module,
    hook: str,
    batches: Batches,
    device: torch.device,
    world: World,
    *,
    learns: bool = False,
    stop: Stop | None = None,
) -> dict[str, float] | None:
    """The means over all rows of what a method returns.

    Parameters
    ----------
    hook : str
        `validate_batch` or `test_batch`; for a class without them its `train_step`, and then `learns` is set.
    learns : bool
        The method would train: it is kept from it, see `frozen`.
    stop : Stop or None
        Give up, with None, when somebody asks to stop.
    """
    where = f"{type(model).__name__}.{hook}"
    function = getattr(model, hook)
    mean = Mean()
    model.eval()
    world.weigh(0, 0)
    with frozen(model) if learns else torch.no_grad():
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
def frozen(model: nn.Module) -> Iterator[None]:
    """Let a train_step run for its loss alone: no optimizer steps, and whatever it changes is put back.

    Upstream calls train_step for validation as it is, and so trains on the validation rows.
    """
    tensors = [*model.parameters(), *model.buffers()]
    kept = [(tensor, tensor.detach().clone(), tensor.grad) for tensor in tensors]
    attributes = copy.deepcopy(capture_attributes(model, without=Optimizer)[0])
    optimizers = list(_optimizers(model))
    # A scheduler has put a step of its own on the instance; it has to be found there again.
    steps = [vars(optimizer).get("step") for optimizer in optimizers]
    options = [[_options(group) for group in optimizer.param_groups] for optimizer in optimizers]
    for optimizer in optimizers:
        vars(optimizer)["step"] = _no_step
    try:
        with torch.enable_grad():
            yield
    finally:
        for optimizer, step in zip(optimizers, steps, strict=True):
            if step is None:
                del vars(optimizer)["step"]
            else:
                vars(optimizer)["step"] = step
        restore_attributes(model, attributes)
        for optimizer, before in zip(optimizers, options, strict=True):
            for group, option in zip(optimizer.param_groups, before, strict=True):
                group.update(option)
        with torch.no_grad():
            for tensor, value, gradient in kept:
                tensor.copy_(value)
                tensor.grad = gradient


def default_device(device: torch.device) -> AbstractContextManager[Any]:
    """On a GPU, tensors that user code makes without naming a device are made there."""
    return nullcontext() if device.type == "cpu" else device


def _no_step(closure: Callable[[], float] | None = None) -> float | None:
    return None if closure is None else closure()


def _options(group: dict[str, Any]) -> dict[str, Any]:
    """The learning rate and all else of a parameter group but its parameters."""
    return copy.deepcopy({name: value for name, value in group.items() if name != "params"})


def _optimizers(model: nn.Module) -> Iterator[Optimizer]:
    """Every optimizer that the model or a part of it holds, in a list or dict too."""
    for module in model.modules():
        for value in vars(module).values():
            held = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
            yield from (each for each in held if isinstance(each, Optimizer))
