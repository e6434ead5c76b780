"""Several processes, one model: data parallel training under torchrun, on torch.distributed.

Gradients are averaged when a backward pass ends, wherever `train_step` calls it: what follows (clipping, unscaling, one
optimizer or three, a step by hand) sees the gradient of the whole batch, and so does the same in every process. The
mean is weighted by each process's rows; that is the gradient of a loss which is a mean over rows.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import nn

from hyrax_pack.errors import TrainingError
from hyrax_pack.training.state import Memento


class World(Protocol):
    """The processes that train together; this one is number `rank` of `size`."""

    rank: int
    size: int

    def share(self, value: Any) -> Any:
        """The first process's `value`, in every process."""

    def gather(self, value: Any) -> list[Any]:
        """Every process's `value`, by rank, in every process."""

    def watch_gradients(self, model: nn.Module) -> None:
        """Average gradients at the end of every backward pass from now on."""

    def weigh(self, rows: int, all_rows: int) -> None:
        """Say how much this process's next gradients count; for 0 of 0 rows they are nobody else's business."""

    def same_start(self, model: nn.Module) -> None:
        """Give every process the first one's weights and buffers."""

    def same_buffers(self, model: nn.Module) -> None:
        """Give every process the first one's buffers: those that its weights are saved with."""

    def close(self) -> None:
        """Leave."""


class Alone:
    """One process: nothing to share."""

    rank = 0
    size = 1

    def share(self, value: Any) -> Any:
        """`value`."""
        return value

    def gather(self, value: Any) -> list[Any]:
        """`value` alone."""
        return [value]

    def watch_gradients(self, model: nn.Module) -> None:
        """Nothing to average."""

    def weigh(self, rows: int, all_rows: int) -> None:
        """Nothing to weigh."""

    def same_start(self, model: nn.Module) -> None:
        """Nothing to send."""

    def same_buffers(self, model: nn.Module) -> None:
        """Nothing to send."""

    def close(self) -> None:
        """Nothing to leave."""


class Together:
    """One of several processes that torchrun started."""

    def __init__(self, device: torch.device | None) -> None:
        self.rank = int(os.environ["RANK"])
        self.size = int(os.environ["WORLD_SIZE"])
        # gloo for Python values, which stay on the CPU; nccl for gradients where they are on NVIDIA GPUs.
        backend = "cpu:gloo,cuda:nccl" if device is not None and device.type == "cuda" else "gloo"
        try:
            torch.distributed.init_process_group(backend)
        except (RuntimeError, ValueError) as error:
            raise TrainingError(
                f"process {self.rank} of {self.size} cannot reach the others ({backend}): {error}. "
                "Start all of them with torchrun, with one --master-addr"
            ) from error
        self._share_of_rows: float | None = None

    def share(self, value: Any) -> Any:
        """The first process's `value`, in every process."""
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def gather(self, value: Any) -> list[Any]:
        """Every process's `value`, by rank, in every process."""
        found: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(found, value)
        return found

    def weigh(self, rows: int, all_rows: int) -> None:
        """Say how much this process's next gradients count."""
        self._share_of_rows = rows / all_rows if all_rows else None

    def same_start(self, model: nn.Module) -> None:
        """Give every process the first one's weights and buffers."""
        _broadcast([*learned_tensors(model).values(), *model.buffers()])

    def same_buffers(self, model: nn.Module) -> None:
        """Give every process the first one's buffers: those that its weights are saved with."""
        _broadcast(list(model.buffers()))

    def watch_gradients(self, model: nn.Module) -> None:
        """Average gradients at the end of every backward pass from now on."""
        _GradientAverage(self, list(learned_tensors(model).values()))

    def average(self, touched: torch.Tensor, parameters: list[torch.Tensor]) -> None:
        """Replace the gradients of all parameters that any process touched by their weighted mean."""
        if self._share_of_rows is None:
            return
        torch.distributed.all_reduce(touched, op=torch.distributed.ReduceOp.MAX)
        chosen = [one for one, hit in zip(parameters, touched.tolist(), strict=True) if hit]
        for gradients in _by_kind(chosen):
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients]) * self._share_of_rows
            torch.distributed.all_reduce(flat)
            parts = torch.split(flat, [each.numel() for each in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view_as(gradient))

    def close(self) -> None:
        """Leave."""
        torch.distributed.destroy_process_group()


class _GradientAverage:
    """Hooks on every parameter; the first that fires in a backward pass asks for a call when the pass has ended."""

    def __init__(self, world: Together, parameters: list[torch.Tensor]) -> None:
        self._world = world
        self._parameters = parameters
        self._touched = torch.zeros(len(parameters), dtype=torch.uint8)
        self._pending = False
        for index, parameter in enumerate(parameters):
            frozen = not parameter.requires_grad
            parameter.requires_grad_(True)  # a class may thaw it after some epochs, and no hook goes on a frozen one
            self._watch(index, parameter)
            parameter.requires_grad_(not frozen)

    def _watch(self, index: int, parameter: torch.Tensor) -> None:
        def fired(_parameter: torch.Tensor) -> None:
            self._touched[index] = 1
            if not self._pending:
                self._pending = True
                torch.autograd.Variable._execution_engine.queue_callback(self._finish)

        parameter.register_post_accumulate_grad_hook(fired)  # type: ignore[no-untyped-call]

    def _finish(self) -> None:
        self._pending = False
        with torch.no_grad():
            self._world.average(self._touched, self._parameters)
        self._touched.zero_()


def _by_kind(parameters: Iterable[torch.Tensor]) -> Iterable[list[torch.Tensor]]:
    """Gradients that can travel in one message: those of one dtype and device. One that is missing here is zero."""
    kinds: dict[tuple[torch.dtype, torch.device], list[torch.Tensor]] = {}
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        kinds.setdefault((parameter.grad.dtype, parameter.grad.device), []).append(parameter.grad)
    return kinds.values()


def learned_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Every tensor that training changes, by name: parameters, and what else the model's optimizers were given."""
    named: dict[str, torch.Tensor] = dict(model.named_parameters())
    known = set(map(id, named.values()))
    for number, optimizer in enumerate(Memento(model, parameters=False).optimizers):
        for tensor in (tensor for group in optimizer.param_groups for tensor in group["params"]):
            if id(tensor) not in known:
                known.add(id(tensor))
                named[f"a tensor of {type(optimizer).__name__} {number + 1}"] = tensor
    return named


def _broadcast(tensors: Sequence[torch.Tensor]) -> None:
    with torch.no_grad():
        for tensor in tensors:
            contiguous = tensor.contiguous()
            torch.distributed.broadcast(contiguous, src=0)
            tensor.copy_(contiguous)


def add_sums(world: World, sums: dict[str, tuple[float, int]]) -> dict[str, tuple[float, int]]:
    """The sums and rows of all processes together."""
    if world.size == 1:
        return sums
    total: dict[str, tuple[float, int]] = {}
    for part in world.gather(sums):
        for name, (value, rows) in part.items():
            before = total.get(name, (0.0, 0))
            total[name] = (before[0] + value, before[1] + rows)
    return total


def is_parallel() -> bool:
    """Whether torchrun started this process among others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def local_rank() -> int | None:
    """This process's place on its machine; None outside torchrun."""
    return int(os.environ.get("LOCAL_RANK", "0")) if is_parallel() else None


def join_world(device: torch.device | None = None) -> World:
    """The processes that torchrun started, or this one alone."""
    return Together(device) if is_parallel() else Alone()
