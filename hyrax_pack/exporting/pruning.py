"""Slots that change no output: a label that to_tensor fills with zeros or -1 where it is missing looks like data.

For every slot, the outputs are computed again with other values in it. A slot that changes none of them is no input of
the graph. What is kept by mistake costs nothing; what is dropped by mistake is caught by the parity gate, which feeds
the model the slot's real values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.exporting.answering import Answering, Outputs
from hyrax_pack.exporting.slots import Layout, Slots
from hyrax_pack.exporting.watching import UserCode


def prune(reference: Answering, slots: Slots) -> tuple[Layout, tuple[str, ...]]:
    """Return the layout without the slots that change no output, and a sentence for each of them.

    The last remaining slot is never pruned: a graph needs an input.
    """
    layout = reference.layout
    before = reference.run(slots)
    notes: list[str] = []
    if not _shows_anything(before):
        return layout, ()
    for place, slot in reversed(layout.inputs):
        if _changes_an_output(reference, slots, place, before):
            continue
        if len(layout.inputs) == 1:
            notes.append(f"no output depends on {slot.graph_input}: the model answers the same whatever it is given")
            break
        layout = layout.without(place)
        notes.append(f"slot {place} of to_tensor changes no output: it is no input of the graph")
    return layout, tuple(reversed(notes))


def _shows_anything(outputs: Outputs) -> bool:
    """Whether there is a number to see a change in: NaN stays NaN, whatever a slot holds."""
    return all(values.dtype.kind != "f" or bool(np.isfinite(values).any()) for values in outputs.values())


def _changes_an_output(reference: Answering, slots: Slots, place: int, before: Outputs) -> bool:
    slot = slots[place]
    if slot is None:
        return False
    for other in _other_values(slot):
        changed = (*slots[:place], other, *slots[place + 1 :])
        with UserCode() as attempt:
            after = reference.run(changed)
            if not _same(before, after):
                return True
        if attempt.error is not None:  # values that the model refuses are values that it looks at
            return True
    return False


def _other_values(slot: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The same dtype and shape with other contents: reversed rows, its neighbours' values, constants."""
    yield slot[::-1].copy()
    if slot.dtype.kind == "b":
        yield ~slot
        return
    for constant in (0, 1, -1 if slot.dtype.kind in "if" else 2):
        yield np.full_like(slot, constant)
    if slot.dtype.kind == "f":
        rng = np.random.default_rng(0)
        finite = slot[np.isfinite(slot)]
        spread = float(np.ptp(finite)) if finite.size else 0.0
        yield (slot + rng.normal(size=slot.shape) * (spread or 1.0)).astype(slot.dtype)


def _same(before: Outputs, after: Outputs) -> bool:
    return list(before) == list(after) and all(
        values.shape == after[name].shape and np.array_equal(values, after[name], equal_nan=values.dtype.kind == "f")
        for name, values in before.items()
    )
