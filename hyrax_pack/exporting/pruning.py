"""Slots that no output depends on: a label that to_tensor fills with zeros or -1 where it is missing looks like data.

The traced graph decides: a slot without a path to any output is no input of the graph. Rows cannot decide it alone: a
slot that fills the holes of another one changes nothing where there are no holes. For every slot the outputs are
computed again with other values in it all the same: one that changes nothing and is used by the graph stays an input,
and export says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from hyrax_pack.exporting.answering import Answering, Outputs
from hyrax_pack.exporting.slots import Layout, Slots, take
from hyrax_pack.exporting.watching import UserCode

ROWS_LOOKED_AT = 8


def prune(model: ir.Model, layout: Layout, idle: Collection[int]) -> tuple[Layout, tuple[str, ...]]:
    """Take the inputs that no output depends on out of the graph; return the layout without them, and what to say.

    The last remaining slot is never pruned: a graph needs an input.

    Parameters
    ----------
    model : ir.Model
        Simplified: a node is there only where an output depends on it.
    layout : Layout
        One slot with `graph_input` for each of the graph's inputs.
    idle : collection of int
        Places of slots whose values changed no output.
    """
    notes: list[str] = []
    for (place, slot), value in reversed(list(zip(layout.inputs, list(model.graph.inputs), strict=True))):
        if value.uses() or value.is_graph_output():
            if place in idle:
                notes.append(
                    f"slot {place} of to_tensor changed no output on the rows tried, but the model's code uses it: it "
                    "stays an input of the graph"
                )
        elif len(layout.inputs) == 1:
            notes.append(f"no output depends on {slot.graph_input}: the model answers the same whatever it is given")
        else:
            layout = layout.without(place)
            model.graph.inputs.remove(value)
            notes.append(f"slot {place} of to_tensor changes no output: it is no input of the graph")
    return layout, tuple(reversed(notes))


def idle_slots(reference: Answering, slots: Slots) -> tuple[int, ...]:
    """Return the places of the slots whose values change no output of these rows."""
    few = take(slots, range(min(ROWS_LOOKED_AT, len(next(slot for slot in slots if slot is not None and len(slot))))))
    before = reference.run(few)
    if not _shows_anything(before):
        return ()
    return tuple(place for place, _ in reference.layout.inputs if not _changes_an_output(reference, few, place, before))


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
