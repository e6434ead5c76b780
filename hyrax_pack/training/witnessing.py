"""Ask the model's inference about a few rows, whenever its weights are written: what it answers then is what must ship.

Asking leaves no trace: neither in the model nor in any generator. Whether inference fails is known before the first
epoch, and not after the last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from hyrax_runtime.replay import Returned, as_slots
from torch import nn

from hyrax_pack.data.identity import digests
from hyrax_pack.data.tensors import move_batch, to_torch
from hyrax_pack.errors import HyraxError, TrainingError
from hyrax_pack.model import ModelSpec
from hyrax_pack.resolving import user_code
from hyrax_pack.run.answers import Answers
from hyrax_pack.training.evaluating import default_device
from hyrax_pack.training.seeding import random_state, restore_random_state, seed_everything
from hyrax_pack.training.state import Memento, ModelState

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyrax_pack.data.group import Group
    from hyrax_pack.data.tensors import Batch

ROWS = 8


@dataclass(frozen=True)
class Questions:
    """What inference is asked: rows of a group, as to_tensor makes tensors of them without labels.

    `digests` are those of the rows' fields; `error` says why there are no tensors.
    """

    group: str
    rows: tuple[int, ...]
    digests: Mapping[str, str]
    returned: Returned | None
    error: HyraxError | None = None

    @property
    def batch(self) -> Batch:
        """What inference is called with, in memory of its own: a model may write into what it is given."""
        assert self.returned is not None
        owned = tuple(None if slot is None else slot.copy() for slot in self.returned.slots)
        return to_torch(self.returned._replace(slots=owned))


def choose_rows(group: Group) -> tuple[int, ...]:
    """A few rows of a group, evenly spread."""
    return tuple(np.unique(np.linspace(0, len(group) - 1, min(len(group), ROWS)).astype(np.int64)).tolist())


def gather_questions(group: Group, function: Callable[[Any], Any]) -> Questions:
    """Read a few rows of a group and call to_tensor on them as inference does."""
    rows, found = choose_rows(group), dict[str, str]()
    try:
        data_dict = group.data_dict(rows, inference=True)
        found = digests(data_dict)
        return Questions(group.name, rows, found, tensors_of(data_dict, function))
    except HyraxError as error:
        return Questions(group.name, rows, found, None, error)


def tensors_of(data_dict: dict[str, Any], function: Callable[[Any], Any]) -> Returned:
    """What to_tensor makes of rows at inference.

    Raises
    ------
    TrainingError
        The function raises.
    """
    with user_code("to_tensor at inference", TrainingError):
        return as_slots(function(data_dict), rows=len(data_dict["object_id"]))


def answer(model: nn.Module, spec: ModelSpec, questions: Questions, device: torch.device, state: ModelState) -> Answers:
    """What inference says now; where it fails, why."""
    nothing = Answers(
        group=questions.group,
        rows=list(questions.rows),
        digests=dict(questions.digests),
        slots=[],
        returns="",
        outputs={},
        failure=None if questions.error is None else str(questions.error),
        device=device.type,
        state=state.capture_for_inference(),
    )
    if questions.returned is None:
        return nothing
    batch = questions.batch
    slots: list[torch.Tensor | None] = [*batch] if isinstance(batch, tuple) else [batch]
    asked = replace(nothing, slots=slots, returns=questions.returned.returns)
    try:
        return replace(asked, outputs=ask(model, spec, questions.batch, device))
    except TrainingError as error:
        return replace(asked, failure=str(error))


def ask(model: nn.Module, spec: ModelSpec, batch: Batch, device: torch.device) -> dict[str, torch.Tensor]:
    """Call inference in evaluation mode, without gradients; model and generators are afterwards what they were.

    Raises
    ------
    TrainingError
        It raises, or returns no tensor.
    """
    where = f"{spec.name}.{spec.infer_hook}"
    before, random = Memento(model, parameters=False), random_state()
    seed_everything(0)  # inference that draws numbers draws the same ones when it is asked again
    model.eval()
    try:
        with torch.no_grad(), default_device(device), user_code(where, TrainingError):
            moved = move_batch(batch, device)
            result = model(moved) if spec.infer_hook == "forward" else getattr(model, spec.infer_hook)(moved)
            found = {name: tensor.detach().cpu().clone() for name, tensor in named_tensors(result)}
    finally:
        before.put_back()
        restore_random_state(random)
    if not found:
        raise TrainingError(f"{where} returned no tensor: return the model's answer, batch axis first")
    return found


def named_tensors(result: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor in what inference returned, under the name that export gives it."""
    if isinstance(result, torch.Tensor):
        yield ".".join(path) or "output_0", result
        return
    for name, item in _parts(result, path):
        yield from named_tensors(item, (*path, name))


def _parts(result: Any, path: tuple[str, ...]) -> list[tuple[str, Any]]:
    if isinstance(result, Mapping):
        return [(str(key), item) for key, item in result.items()]
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return [(each.name, getattr(result, each.name)) for each in dataclasses.fields(result)]
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return list(zip(result._fields, result, strict=True))
    if isinstance(result, tuple | list):
        return [(str(place) if path else f"output_{place}", item) for place, item in enumerate(result)]
    return []
