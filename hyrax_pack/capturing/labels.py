"""Whether labels change what a model sees: in training they are there, at inference they are not.

Every slot that is there at inference must be the same, bit for bit, with the labels and without them. A slot that is
the same for every row stands for a label that is missing, such as zeros or -1: the export refuses it where any output
depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from hyrax_runtime.input_guard import copy_input
from hyrax_runtime.replay import Returned

from hyrax_pack.capturing.fresh_process import is_same
from hyrax_pack.capturing.recording import field_paths, only_fields
from hyrax_pack.errors import Problem

Slot = np.ndarray[Any, Any] | None


def changed_by_labels(
    returned: Callable[[dict[str, Any]], Returned], with_labels: dict[str, Any], without: dict[str, Any]
) -> list[Problem]:
    """Name each slot that is another where labels are there, and the label that makes it so.

    Parameters
    ----------
    returned : callable
        The live function, its result as slots.
    with_labels, without : dict
        The same rows, as training and as inference have them.
    """
    labels = labels_of(with_labels, without)
    if not labels:
        return []
    there, missing = returned(copy_input(with_labels)), returned(copy_input(without))
    changed = list(_changed_slots(there.slots, missing.slots))
    if there.returns != missing.returns or len(there.slots) != len(missing.slots):
        return [_problem("what it returns", "another number of slots", labels)]
    if not changed:
        return []
    problems = []
    for place in changed:
        one = {label for label in labels if _is_cured(returned, with_labels, label, missing.slots, place)}
        problems.append(_problem(f"slot {place}", _difference(there.slots[place], missing.slots[place]), one or labels))
    return problems


def labels_of(with_labels: dict[str, Any], without: dict[str, Any]) -> set[str]:
    """The paths of the fields that only training has."""
    return set(field_paths(with_labels)) - set(field_paths(without))


def stand_ins(there: Sequence[Slot], missing: Sequence[Slot]) -> list[int]:
    """The places of the slots that hold something in training, and the same for every row where labels are missing."""
    return [
        place
        for place, (one, other) in enumerate(zip(there, missing, strict=False))
        if other is not None and _is_stand_in(other) and not is_same(one, other)
    ]


def _changed_slots(there: Sequence[Slot], missing: Sequence[Slot]) -> Iterator[int]:
    for place, (one, other) in enumerate(zip(there, missing, strict=False)):
        if other is not None and len(other) and not _is_stand_in(other) and not is_same(one, other):
            yield place


def _is_stand_in(slot: np.ndarray[Any, Any]) -> bool:
    """Whether every row is the same, so that it says nothing of any row."""
    return len(slot) > 1 and len({row.tobytes() for row in slot}) == 1


def _is_cured(
    returned: Callable[[dict[str, Any]], Returned],
    with_labels: dict[str, Any],
    label: str,
    missing: Sequence[Slot],
    place: int,
) -> bool:
    """Whether the slot is as at inference when this label alone is left out."""
    others = set(field_paths(with_labels)) - {label}
    slots = returned(only_fields(copy_input(with_labels), others)).slots
    return len(slots) > place and is_same(slots[place], missing[place])


def _difference(there: Slot, missing: Slot) -> str:
    if there is None or missing is None or there.shape != missing.shape or there.dtype != missing.dtype:
        shown = (f"{slot.dtype} {slot.shape}" if slot is not None else "None" for slot in (there, missing))
        return " with it, and without ".join(shown)
    at = np.flatnonzero((there != missing) & ~((there != there) & (missing != missing)))
    first = int(at[0]) if len(at) else 0
    return f"{there.flat[first].item()!r} with it, and without {missing.flat[first].item()!r}"


def _problem(what: str, difference: str, labels: set[str]) -> Problem:
    names = ", ".join(sorted(labels))
    return Problem(
        "",
        f"{what} is another where {names} is there ({difference}): training would see what inference never gives; "
        "compute it without labels",
    )
