"""All ways through the function, joined into one graph.

data_dict of stand-ins --to_tensor--> traced slots, once per way through its branches
all ways --choose--> one value per slot
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hyrax_runtime.contract import FieldContract, InputContract
from hyrax_runtime.manifest import Reason, Slot
from numpy.typing import NDArray

from hyrax_pack.lowering.graph.building import Graph, Value
from hyrax_pack.lowering.operations.arithmetic import choose
from hyrax_pack.lowering.operations.shaping import expand_dims, squeeze
from hyrax_pack.lowering.refusal import Refused
from hyrax_pack.lowering.tracing.arrays import Traced, TracedArray
from hyrax_pack.lowering.tracing.decisions import MAX_WAYS, Way, join_ways, next_way
from hyrax_pack.lowering.tracing.rows import FieldDict, Rows, Unreadable
from hyrax_pack.lowering.tracing.rules_elementwise import lower_ufunc
from hyrax_pack.lowering.tracing.table import all_rules
from hyrax_pack.lowering.tracing.text import line_of_error, load_function
from hyrax_pack.lowering.tracing.trace import Mode, Trace

Columns = Mapping[str, NDArray[Any]]


@dataclass
class Written:
    """The function as a graph: its inputs by path, and the value of every slot that the network takes.

    In row mode everything is that of one row, without the batch axis.
    """

    mode: Mode
    graph: Graph
    inputs: dict[str, Value]
    outputs: dict[int, Value]
    asked: set[str] = field(default_factory=set)
    ways: int = 1


def write_down(
    text: str, contract: InputContract, slots: Sequence[Slot], shadows: tuple[Columns, Columns], mode: Mode
) -> Written:
    """Trace the function along all its ways.

    Parameters
    ----------
    shadows : pair of mapping from path to ndarray
        Two batches, stacked: 5 and 7 rows in mode "batch", one row each in mode "row"; other values, and other sizes
        of free dimensions, in each.

    Raises
    ------
    Refused
        It cannot be lowered in this mode.
    """
    rules = all_rules()
    written = Written(mode, Graph(), {}, {})
    ways: list[Way] = []
    results: list[dict[int, Value]] = []
    way: Way | None = Way()
    while way is not None:
        trace = Trace(written.graph, mode, rules, lower_ufunc, way)
        results.append(_one_way(trace, text, contract, slots, shadows, written))
        ways.append(way)
        if len(ways) > MAX_WAYS:
            raise Refused(Reason(f"more than {MAX_WAYS} ways through its branches", None, "if", "use np.where"))
        way = next_way(ways)
    written.ways = len(ways)
    graph = written.graph
    for place in results[0]:
        sides = [result[place] for result in results]
        if len({(one.dtype, one.shape) for one in sides}) > 1:
            raise Refused(Reason(f"slot {place} has another dtype or shape on another way", None, "if"))
        written.outputs[place] = join_ways(ways, sides, lambda c, a, b: choose(graph, c, a, b))
    return written


def _one_way(
    trace: Trace,
    text: str,
    contract: InputContract,
    slots: Sequence[Slot],
    shadows: tuple[Columns, Columns],
    written: Written,
) -> dict[int, Value]:
    data = _data_dict(trace, contract, shadows, written)
    try:
        function = load_function(text, trace.call, trace.subject, trace.refuse)
        values = _slot_values(trace, function(data), slots)
    except Exception as error:
        _raise_poison(trace, error)
        text_of_error = f"{type(error).__name__}: {error}"
        raise Refused(
            Reason(
                f"it raises {text_of_error}" + (" for some values" if trace.way.answers else ""),
                line_of_error(error),
                "raise",
                "a graph cannot raise: mark such rows with NaN, or check them in the data set's getter",
            )
        ) from error
    _raise_poison(trace, None)
    return values


def _raise_poison(trace: Trace, error: Exception | None) -> None:
    """Raise the first refusal, whatever the user's code made of it."""
    if trace.poison is not None:
        raise trace.poison from error


def _data_dict(trace: Trace, contract: InputContract, shadows: tuple[Columns, Columns], written: Written) -> FieldDict:
    groups: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}
    for one in contract.fields:
        stand_in = _field(trace, one, shadows, written)
        if one.friendly is None:
            top[one.field] = stand_in
        else:
            top.setdefault(one.friendly, groups.setdefault(one.friendly, {}))
            groups[one.friendly][one.field] = stand_in
    for name, fields in groups.items():
        top[name] = FieldDict(fields, written.asked, f"{name}/")
    return FieldDict(top, written.asked)


def _field(trace: Trace, one: FieldContract, shadows: tuple[Columns, Columns], written: Written) -> Any:
    why = unreadable_reason(one)
    if why is not None or one.path not in shadows[0]:
        return Unreadable(trace, one.path, why or "there is no row of it to look at")
    pair = (np.array(shadows[0][one.path]), np.array(shadows[1][one.path]))
    free = tuple(a if a == b else None for a, b in zip(pair[0].shape[1:], pair[1].shape[1:], strict=True))
    is_row = trace.mode == "row"
    value = trace.graph.input(one.path, pair[0].dtype, free if is_row else (None, *free))
    written.inputs[one.path] = value
    if is_row:
        value = expand_dims(trace.graph, value, [0])
    array = TracedArray(trace, pair, value)
    return Rows(trace, array, one.element, is_batch=True) if one.form == "list" else array


def unreadable_reason(one: FieldContract) -> str | None:
    """Why no graph can hold a field; None where one can."""
    if one.kind == "ragged":
        return "its rows differ in shape"
    if one.kind != "array":
        return "a graph holds no text"
    if np.dtype(one.dtype).kind not in "biuf":
        return f"a graph holds no {one.dtype}"
    return None


def _slot_values(trace: Trace, result: Any, slots: Sequence[Slot]) -> dict[int, Value]:
    """Return the value of every slot that is an input of the network, checked against what was recorded."""
    parts = result if type(result) is tuple else (result,)
    if len(parts) != len(slots):
        trace.refuse(f"{len(parts)} slots are returned where {len(slots)} are recorded", construct="return")
    return {
        place: _slot_value(trace, part, slot, place)
        for place, (part, slot) in enumerate(zip(parts, slots, strict=True))
        if slot.kind == "tensor" and slot.graph_input is not None
    }


def _slot_value(trace: Trace, part: Any, slot: Slot, place: int) -> Value:
    if isinstance(part, list | Rows):
        part = trace.array_of(part)
    if not isinstance(part, Traced):
        trace.refuse(f"slot {place} is {type(part).__name__}, not an array", construct="return")
    lead = [part.shadows[at].shape[:1] for at in (0, 1)]
    if lead != [(size,) for size in trace.batch_sizes]:
        trace.refuse(f"the first axis of slot {place} is not the rows", construct="return")
    if part.dtype != np.dtype(slot.dtype):
        trace.refuse(f"slot {place} is {part.dtype} where {slot.dtype} is recorded", construct="return")
    for dim, pair in zip(slot.shape[1:], zip(*[part.shadows[at].shape[1:] for at in (0, 1)], strict=True), strict=True):
        if isinstance(dim, int) and pair != (dim, dim):
            trace.refuse(f"slot {place} has a dimension of {pair[0]} or {pair[1]} where {dim} is recorded")
    return squeeze(trace.graph, part.value, [0]) if trace.mode == "row" else part.value
