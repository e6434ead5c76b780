"""The places of the tuple that to_tensor returns: which of them the graph has an input for, and rows out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from hyrax_runtime.contract import BATCH_AXIS, OBJECT_ID, Dim
from hyrax_runtime.manifest import Slot
from numpy.typing import NDArray

from hyrax_pack.errors import ExportError, OutputFormError

# What predictions in a table stand beside: the rows' ids, and why a row was refused.
TAKEN_COLUMNS = (OBJECT_ID, "error")

Slots = tuple[NDArray[Any] | None, ...]
MakeSlots = Callable[[Sequence[int]], Sequence[NDArray[Any] | None]]


@dataclass(frozen=True)
class Layout:
    """What a model takes: the slots in order, and whether they come as one array or as a tuple."""

    slots: tuple[Slot, ...]
    returns: Literal["array", "tuple"]

    @property
    def inputs(self) -> tuple[tuple[int, Slot], ...]:
        """Place and slot of those that the graph has an input for."""
        return tuple((place, slot) for place, slot in enumerate(self.slots) if slot.graph_input is not None)

    def feed(self, slots: Slots) -> dict[str, NDArray[Any]]:
        """Return what the graph is given for these slots."""
        fed = {}
        for place, slot in self.inputs:
            value = slots[place]
            if slot.graph_input is not None and value is not None:
                fed[slot.graph_input] = value
        return fed

    def without(self, place: int) -> Layout:
        """Return the layout in which the slot at `place` is no input of the graph."""
        slots = [replace(slot, graph_input=None) if at == place else slot for at, slot in enumerate(self.slots)]
        return replace(self, slots=tuple(slots))


def free_axes(slot: Slot) -> tuple[int, ...]:
    """Return the axes of a slot whose size varies, the batch aside."""
    return tuple(axis for axis, dim in enumerate(slot.shape) if axis and isinstance(dim, str))


def not_finite_rows(slots: Slots) -> NDArray[np.bool_]:
    """Flag the rows that hold a NaN or an infinity in any of the arrays."""
    flags = np.zeros(row_count(slots), dtype=bool)
    for slot in slots:
        if slot is not None and slot.dtype.kind == "f" and len(slot):
            flags |= ~np.isfinite(slot).reshape(len(slot), -1).all(axis=1)
    return flags


def check_names(layout: Layout, outputs: Iterable[str], cure: str) -> None:
    """Refuse an output that bears the name of one of the graph's inputs, or of a column that predictions have."""
    inputs = {slot.graph_input for _, slot in layout.inputs}
    for name in outputs:
        if name in TAKEN_COLUMNS:
            raise OutputFormError(
                f"output {name!r} has the name of a column that every table of predictions has: {cure}"
            )
        if name in inputs:
            raise OutputFormError(f"output {name!r} has the name of an input of the graph: {cure}")


def row_count(slots: Slots) -> int:
    """Return how many rows the slots hold; absent slots do not count."""
    return next((len(slot) for slot in slots if slot is not None and slot.ndim and len(slot)), 0)


def take(slots: Slots, rows: Sequence[int]) -> Slots:
    """Pick rows, in the order given, out of every slot that has rows."""
    at = np.asarray(rows, dtype=np.int64)
    return tuple(slot if slot is None or len(slot) == 0 else np.ascontiguousarray(slot[at]) for slot in slots)


def make_rows(make_slots: MakeSlots, indices: Sequence[int]) -> Slots:
    """Call to_tensor for some rows, and check what every later step takes for granted.

    Raises
    ------
    ExportError
        No slot has rows, or one has another number of rows than were asked for.
    """
    slots = tuple(make_slots(indices))
    for place, slot in enumerate(slots):
        if slot is None:
            continue
        if slot.ndim == 0 or len(slot) not in (0, len(indices)):
            shape = tuple(slot.shape)
            raise ExportError(
                f"to_tensor, slot {place}: shape {shape} for {len(indices)} rows; the first axis must be the batch"
            )
    if row_count(slots) != len(indices):
        raise ExportError("to_tensor returned no rows at all: every slot is None or empty at inference")
    return slots


def observe_layout(
    observed: Sequence[Slots], returns: Literal["array", "tuple"], names: Sequence[str] | None = None
) -> Layout:
    """Describe the slots from several batches: what is absent, and which dimensions vary.

    A dimension that differs between batches is free, and is called `input_<place>.<axis>`; dimensions that always
    agree with one another share the first one's name. `names` are the graph's own, for the slots that have rows, in
    order.

    Raises
    ------
    ExportError
        A slot is absent in some batches only, or changes its dtype or its number of axes.
    """
    columns = list(zip(*observed, strict=True))
    free: dict[tuple[int, ...], str] = {}
    slots = [_observe_slot(place, column, free) for place, column in enumerate(columns)]
    if names is not None:
        slots = _with_names(slots, names)
    return Layout(tuple(slots), returns)


def _with_names(slots: Sequence[Slot], names: Sequence[str]) -> list[Slot]:
    there = [slot for slot in slots if slot.kind == "tensor"]
    if len(there) != len(names):
        raise ExportError(
            f"to_tensor gives {len(there)} tensors; the graph takes {len(names)}: {', '.join(names)}. Return one slot "
            "for each input, in this order"
        )
    given = iter(names)
    return [replace(slot, graph_input=next(given)) if slot.kind == "tensor" else slot for slot in slots]


def _observe_slot(place: int, column: Sequence[NDArray[Any] | None], named: dict[tuple[int, ...], str]) -> Slot:
    if all(value is None for value in column):
        return Slot("none", "", (), None)
    there = [value for value in column if value is not None]
    empty = [len(value) == 0 for value in there]
    if len(there) != len(column) or len(set(empty)) > 1:
        raise ExportError(f"to_tensor, slot {place}: there for some rows and absent for others; it must be one of them")
    for what, seen in (
        ("dtype", {value.dtype.name for value in there}),
        ("number of axes", {value.ndim for value in there}),
    ):
        if len(seen) > 1:
            raise ExportError(
                f"to_tensor, slot {place}: its {what} changes with the rows: {', '.join(map(str, sorted(seen)))}. "
                "Make it the same for all, for instance with np.asarray(..., dtype='float32')"
            )
    if all(empty):
        return Slot("empty", there[0].dtype.name, (BATCH_AXIS, *there[0].shape[1:]), None)
    dims: list[Dim] = [BATCH_AXIS]
    for axis in range(1, there[0].ndim):
        sizes = tuple(value.shape[axis] for value in there)
        free = len(set(sizes)) > 1
        dims.append(named.setdefault(sizes, f"input_{place}.{axis}") if free else sizes[0])
    return Slot("tensor", there[0].dtype.name, tuple(dims), f"input_{place}")
