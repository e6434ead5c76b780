"""Numbers that are no numbers any more: found before anything is written, with what is kept and how to go on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from hyrax_pack.errors import HyraxError, LossError
from hyrax_pack.run import Run
from hyrax_pack.training.checkpoints import Position, list_checkpoints

if TYPE_CHECKING:
    from hyrax_pack.training.loading import Batches

_SHOWN = 3


class FiniteWatch:
    """Whether the weights of a model are finite; what never was, such as a mask of -inf, does not count."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._never: frozenset[str] = frozenset()
        self._never = frozenset(self.broken())

    def broken(self) -> list[str]:
        """Parameters and buffers that hold NaN or infinity now; one question to the device, however many there are."""
        tensors = {name: tensor for name, tensor in self._tensors() if name not in self._never}
        if not tensors:
            return []
        flags = torch.stack([torch.isfinite(tensor).all().to("cpu", non_blocking=True) for tensor in tensors.values()])
        return [] if flags.all() else [name for name, flag in zip(tensors, flags.tolist(), strict=True) if not flag]

    def _tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        for name, tensor in (*self._model.named_parameters(), *self._model.named_buffers()):
            if (tensor.is_floating_point() or tensor.is_complex()) and not nn.parameter.is_lazy(tensor):
                yield name, tensor.detach()


def loss_error(where: str, loss: float, run: Run, position: Position, batches: Batches, since: int) -> LossError:
    """The error for a loss that is no number, or infinite.

    Parameters
    ----------
    since : int
        How many steps back it may have come up: on a GPU it is looked at every few steps.
    """
    word = "NaN" if math.isnan(loss) else "infinite"
    place = f"in epoch {position.epoch}, batch {position.batch} (step {position.step})"
    seen = "".join(f" {each}." for each in fields_with_nan(batches, position, since))
    return LossError(f"{where}: the loss is {word} {place}.{seen} {what_is_kept(run, position)}")


def weights_error(broken: Sequence[str], run: Run, position: Position) -> LossError:
    """The error for weights that are not finite although the loss was."""
    more = f" and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
    return LossError(
        f"{', '.join(broken[:_SHOWN])}{more}: not finite after step {position.step} (epoch {position.epoch}), though "
        f"the loss was: a gradient was NaN or infinite, as that of sqrt at 0 is. {what_is_kept(run, position)}"
    )


def what_is_kept(run: Run, position: Position) -> str:
    """Which files of the run are sound, and how to go on from them."""
    saved, best = list_checkpoints(run.path), run.weights_path("best")
    if best.is_file() and position.best_epoch:
        kept = f"{saved[0].name} and the" if saved else "The"
        return (
            f"{kept} weights of epoch {position.best_epoch} ({best.name}) are kept. To start from them with another "
            f"learning rate: --set train.model_weights_file={best} --set optimizer.lr=…"
        )
    if saved:
        return f"{saved[0].name} is kept. No epoch was finished. Try a smaller learning rate in a new run."
    return "No epoch was finished. Try a smaller learning rate, and look for NaN in the data."


def fields_with_nan(batches: Batches, position: Position, since: int) -> list[str]:
    """Fields of the data that hold NaN in the last batches, each with a row of them."""
    found: dict[str, str] = {}
    for number in range(max(0, position.batch - since), position.batch):
        try:
            data_dict = batches.group.data_dict(batches.rows_of(position.epoch, number))
        except HyraxError:  # whatever it is, it is not what the run stopped for
            return []
        for friendly, entry in data_dict.items():
            for field, values in entry.items() if isinstance(entry, dict) else ():
                row = next((row for row, value in enumerate(values) if _holds_nan(value)), None)
                if row is not None:
                    found.setdefault(f"{friendly}/{field}", _id_words(data_dict, row))
    return [f"{path} holds NaN ({row})" for path, row in list(found.items())[:_SHOWN]]


def _holds_nan(value: Any) -> bool:
    array = np.asarray(value)
    return array.dtype.kind == "f" and bool(np.isnan(array).any())


def _id_words(data_dict: dict[str, Any], row: int) -> str:
    return f"object_id {data_dict['object_id'][row]}"
