"""Whole numbers that the model refuses: torch raises for them, and a graph would answer.

An embedding of six rows raises for -1; ONNX takes the last row. Packed sequences raise for a length of 0; ONNX's layers
answer with zeros. So the model is asked, slot by slot, how far below and above the data it goes on answering, and the
graph gets a check that fails beyond, in whatever runtime it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from hyrax_runtime.contract import Dim
from hyrax_runtime.session import HOLDS_A_VALUE

from hyrax_pack.exporting.answering import Answering
from hyrax_pack.exporting.slots import Layout, Slots, free_axes, take
from hyrax_pack.exporting.watching import UserCode

# How far beyond the data values are tried: what goes on answering there goes on.
REACH = 1 << 20
# Of rows with more whole numbers than this the first, the last and one between stand for all.
MOST_PLACES = 32
ANYTHING = 1 << 62
_LONGER = 3


@dataclass(frozen=True)
class Bound:
    """The least or greatest value that the model answers for: the same everywhere, or one for each place of a row.

    Where `beside` names a free dimension, `values` are to be added to its size, or to minus its size (`backwards`).
    """

    values: tuple[int, ...]
    beside: Dim | None = None
    backwards: bool = False

    def __str__(self) -> str:
        said = ", ".join(map(str, self.values))
        if self.beside is None:
            return said
        size = f"-{self.beside}" if self.backwards else str(self.beside)
        return size if self.values == (0,) else f"{size}{self.values[0]:+d}"


@dataclass(frozen=True)
class Bounds:
    """What a slot may hold; None where the model sets no bound."""

    place: int
    least: Bound | None
    greatest: Bound | None

    def __str__(self) -> str:
        sides = [f"{word} {bound}" for word, bound in (("below", self.least), ("above", self.greatest)) if bound]
        return " or ".join(sides)


def find_bounds(reference: Answering, layout: Layout, pool: Slots) -> tuple[list[Bounds], list[str]]:
    """Ask the model which whole numbers it refuses.

    Parameters
    ----------
    reference : Answering
    layout : Layout
    pool : tuple of ndarray or None
        Rows of the data, which the model answers.

    Returns
    -------
    bounds : list of Bounds
        For the slots that have any.
    notes : list of str
        Where there are values that the model refuses, and no rule could be found.
    """
    found, notes = [], []
    for place, slot in layout.inputs:
        if np.dtype(slot.dtype).kind not in "iu":
            continue
        sides = {}
        for upward in (False, True):
            bound = _side(reference, layout, pool, place, upward=upward)
            if isinstance(bound, str):
                notes.append(f"slot {place} of to_tensor: {bound}")
            else:
                sides[upward] = bound
        bounds = Bounds(place, sides.get(False), sides.get(True))
        if bounds.least or bounds.greatest:
            found.append(bounds)
    return found, notes


def _side(reference: Answering, layout: Layout, pool: Slots, place: int, *, upward: bool) -> Bound | str | None:
    """How far the model answers in one direction; None without a bound, a sentence where no rule can be told."""
    seen = pool[place]
    assert seen is not None
    row = take(pool, [0])
    places = _places(seen)
    if not any(_refuses(reference, row, place, at, _far(seen, at, upward)) for at in _at_once(places)):
        return None
    found = tuple(_farthest(reference, row, place, at, seen, upward) for at in places)
    unsure = "the model refuses some of its values, and the graph may answer for them"
    if found != tuple(_farthest(reference, take(pool, [1]), place, at, seen, upward) for at in places):
        return unsure
    if len(places) < _count(seen) and len(set(found)) > 1:
        return unsure
    for other, slot in layout.inputs:
        for axis in free_axes(slot):
            longer = _with_longer(layout, row, slot.shape[axis], _LONGER)
            beyond = tuple(_farthest(reference, longer, place, at, seen, upward) for at in places)
            if found == beyond:
                continue
            last, later = found[0], beyond[0]
            if len(set(found)) > 1 or last is None or later is None or abs(later - last) != _LONGER:
                return unsure
            size = np.shape(np.asarray(row[other]))[axis]
            backwards = later < last
            return Bound((last + size if backwards else last - size,), slot.shape[axis], backwards)
    if set(found) == {None}:
        return None
    unbounded = ANYTHING if upward else -ANYTHING
    values = tuple(unbounded if value is None else value for value in found)
    return Bound(values[:1] if len(set(values)) == 1 else values)


def check_bounds(model: ir.Model, layout: Layout, bounds: Sequence[Bounds]) -> tuple[str, ...]:
    """Put a check of every bound into the graph, before anything else happens to that input; and say so."""
    notes = []
    for each in bounds:
        names = [place for place, _ in layout.inputs]
        if each.place not in names:
            continue
        value = model.graph.inputs[names.index(each.place)]
        slot = layout.slots[each.place]
        _insert_check(model, layout, value, each, f"{slot.graph_input}{HOLDS_A_VALUE}{each}")
        notes.append(f"slot {each.place} of to_tensor: the graph refuses values {each}, as the model does")
    return tuple(notes)


def _insert_check(model: ir.Model, layout: Layout, value: ir.Value, bounds: Bounds, said: str) -> None:
    """Reshape one number to as many more as there are values out of bounds: that fails, unless there are none."""
    graph, nodes = model.graph, list[ir.Node]()
    users = list(value.uses())
    at_output = [place for place, output in enumerate(graph.outputs) if output is value]

    def constant(array: Any) -> ir.Value:
        return do("Constant", [], value=ir.tensor(np.asarray(array, np.int64)))

    def do(op: str, inputs: Sequence[ir.Value], name: str | None = None, **attributes: Any) -> ir.Value:
        nodes.append(ir.node(op, inputs, attributes, name=name))
        return nodes[-1].outputs[0]

    def limit(bound: Bound) -> ir.Value:
        if bound.beside is None:
            return constant(bound.values if len(bound.values) > 1 else bound.values[0])
        other, axis = _place_of(layout, bound.beside)
        size = do("Gather", [do("Shape", [graph.inputs[other]]), constant(axis)])
        if bound.backwards:
            size = do("Neg", [size])
        return do("Add", [size, constant(bound.values[0])])

    wide = do("Cast", [value], to=ir.DataType.INT64)
    outside = [
        do(op, [wide, limit(bound)])
        for op, bound in (("Less", bounds.least), ("Greater", bounds.greatest))
        if bound is not None
    ]
    wrong = outside[0] if len(outside) == 1 else do("Or", outside)
    count = do("ReduceSum", [do("Cast", [wrong], to=ir.DataType.INT64)], keepdims=0)
    size = do("Add", [do("Reshape", [count, constant([1])]), constant([1])])
    nought = do("Reshape", [constant([0]), size], name=said)
    nought.type, nought.shape = ir.TensorType(ir.DataType.INT64), ir.Shape([1])
    checked = do("Add", [wide, nought])
    if value.dtype is not None and value.dtype != ir.DataType.INT64:
        checked = do("Cast", [checked], to=value.dtype)
    checked.type, checked.shape = value.type, value.shape
    for user, index in users:
        user.replace_input_with(index, checked)
    for place in at_output:
        graph.outputs[place] = checked
    if len(graph):
        graph.insert_before(graph[0], nodes)
    else:
        graph.extend(nodes)


def _place_of(layout: Layout, dim: Dim) -> tuple[int, int]:
    """Which input of the graph, and which of its axes, has a dimension."""
    return next(
        (at, axis) for at, (_, slot) in enumerate(layout.inputs) for axis, size in enumerate(slot.shape) if size == dim
    )


def _count(seen: Any) -> int:
    return int(np.prod(seen.shape[1:], dtype=np.int64))


def _places(seen: Any) -> list[int]:
    """Places of a row, counted flat: one bound may be another's where the last axis is short."""
    count = _count(seen)
    if seen.ndim == 2 and count <= MOST_PLACES:
        return list(range(count))
    return sorted({0, count // 2, max(0, count - 1)})


def _at_once(places: Sequence[int]) -> Iterator[Sequence[int]]:
    yield places
    if len(places) > 1:  # what one place refuses, another may make up for
        yield from ([place] for place in places)


def _far(seen: Any, places: Sequence[int], upward: bool) -> list[int]:
    limits = np.iinfo(seen.dtype)
    flat = seen.reshape(len(seen), -1)
    return [
        min(int(flat[:, at].max()) + REACH, limits.max) if upward else max(int(flat[:, at].min()) - REACH, limits.min)
        for at in places
    ]


def _farthest(reference: Answering, row: Slots, place: int, at: int, seen: Any, upward: bool) -> int | None:
    """The last value in one direction that the model answers for, by halving; None where it answers for all."""
    (far,) = _far(seen, [at], upward)
    if not _refuses(reference, row, place, [at], [far]):
        return None
    right, wrong = int(row[place].reshape(-1)[at]), far  # type: ignore[union-attr]
    while abs(wrong - right) > 1:
        middle = (right + wrong) // 2
        if _refuses(reference, row, place, [at], [middle]):
            wrong = middle
        else:
            right = middle
    return right


def _refuses(reference: Answering, row: Slots, place: int, at: Sequence[int], values: Sequence[int]) -> bool:
    changed = np.array(row[place])
    changed.reshape(-1)[list(at)] = values
    with UserCode() as attempt:
        reference.run((*row[:place], changed, *row[place + 1 :]))
    return attempt.error is not None


def _with_longer(layout: Layout, row: Slots, dim: Dim, more: int) -> Slots:
    """The row with a few more steps along one free dimension."""
    longer = list(row)
    for place, slot in layout.inputs:
        for axis, size in enumerate(slot.shape):
            array = longer[place]
            if size == dim and axis and array is not None:
                steps = np.arange(array.shape[axis] + more) % max(1, array.shape[axis])
                longer[place] = np.take(array, steps, axis=axis)
    return tuple(longer)
