"""What export would refuse, found before the first epoch: of a few rows, without a process of its own.

`hyrax-pack check` proves the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hyrax_runtime.replay import as_slots

from hyrax_pack.capturing.coupling import Batch, Plan, measure_coupling
from hyrax_pack.config import Config
from hyrax_pack.data import Group
from hyrax_pack.data.absent import words_on_absent_labels
from hyrax_pack.data.identity import digests
from hyrax_pack.errors import AbsentLabelError, CoupledRowsError, HyraxError, TrainingError
from hyrax_pack.resolving import user_code
from hyrax_pack.training.witnessing import Questions, tensors_of

if TYPE_CHECKING:
    import torch

Function = Callable[[Any], Any]


def check_function(group: Group, function: Function, questions: Questions, config: Config, origin: str) -> None:
    """Refuse a to_tensor that needs labels, or whose rows touch one another in a batch that is not declared joint.

    Raises
    ------
    AbsentLabelError, CoupledRowsError
        Says what to write.
    """
    if questions.error is not None:
        if not questions.digests:  # the rows cannot be read at inference, which training does not need
            return
        words = words_on_absent_labels(
            questions.error, group, lambda: tensors_of(group.data_dict(questions.rows), function)
        )
        if words is not None:
            raise AbsentLabelError(words) from questions.error
    elif config.get("model.batch") == "independent":
        notes = _coupling(group, function, questions)
        if notes:
            raise coupled_rows(origin, notes)


def coupled_rows(origin: str, notes: Sequence[str]) -> CoupledRowsError:
    """The error for a function whose rows touch one another."""
    return CoupledRowsError(
        f"to_tensor ({origin}): a row's tensor depends on the other rows of its batch"
        f"{''.join(f'; {note}' for note in notes if note.startswith('rows touch'))}. Compute each row from "
        'itself alone (axis=1 and up), or declare the batch joint: [model] batch = "joint" (wrap: --joint)'
    )


def words_on_names(outputs: Mapping[str, torch.Tensor], config: Config) -> Iterator[str]:
    """Say which names in the settings do not fit what inference answers."""
    names, classes = config.get("model.outputs"), config.get("model.classes")
    cure = "export will refuse that, and takes others with --set"
    if names is not None and len(names) != len(outputs):
        given = ", ".join(outputs)
        yield f"model.outputs names {len(names)} outputs, and inference gives {len(outputs)} ({given}): {cure}"
    if classes is not None and not any(tuple(one.shape[1:]) == (len(classes),) for one in outputs.values()):
        shapes = ", ".join(f"{name} {['N', *one.shape[1:]]}" for name, one in outputs.items())
        yield f"model.classes names {len(classes)} classes, and no output has as many columns ({shapes}): {cure}"


def _coupling(group: Group, function: Function, questions: Questions) -> tuple[str, ...]:
    """How rows touch one another: each alone, together, and in another order; nothing where the data itself changes."""
    rows, places = questions.rows, range(len(questions.rows))
    orders = [*((place,) for place in places), tuple(places), tuple(reversed(places))]
    batches = [Batch(order, group.data_dict([rows[place] for place in order], inference=True)) for order in orders]
    if digests(batches[len(rows)].data_dict) != questions.digests:
        return ()
    try:
        results = [tensors_of(batch.data_dict, function).slots for batch in batches]
    except HyraxError:  # of single rows: export tells it
        return ()
    plan = Plan(tuple(places), tuple(batches), (), ({}, {}, 0), ())
    return measure_coupling(plan, results, (), _quiet(function)).notes


def _quiet(function: Function) -> Callable[[dict[str, Any], int], Sequence[Any] | None]:
    """The function on rows that were changed a little, which it may refuse."""

    def call(data_dict: dict[str, Any], rows: int) -> Sequence[Any] | None:
        try:
            with user_code("to_tensor", TrainingError):
                return as_slots(function(data_dict), rows=rows).slots
        except HyraxError:
            return None

    return call
