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

from hyrax_pack.lowering.graph.building import Free, Graph, Value
from hyrax_pack.lowering.graph.projecting import row_of
from hyrax_pack.lowering.graph.rows import renamed_row, rows_behind, with_own_sizes
from hyrax_pack.lowering.operations.arithmetic import choose
from hyrax_pack.lowering.refusal import Refused
from hyrax_pack.lowering.tracing.arrays import Traced, TracedArray
from hyrax_pack.lowering.tracing.decisions import MAX_WAYS, Way, join_ways, next_way
from hyrax_pack.lowering.tracing.explaining import LISTED, is_raised_by_text
from hyrax_pack.lowering.tracing.hooking import hooks_of
from hyrax_pack.lowering.tracing.rows import FieldDict, Rows, Unreadable
from hyrax_pack.lowering.tracing.rules_elementwise import lower_ufunc
from hyrax_pack.lowering.tracing.shadows import ROWS
from hyrax_pack.lowering.tracing.table import all_rules
from hyrax_pack.lowering.tracing.text import line_of_error, load_function
from hyrax_pack.lowering.tracing.trace import Mode, Trace

Columns = Mapping[str, NDArray[Any]]

_ALONE = "let a row use nothing but its own values, or write it for whole arrays"


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
    text: str,
    contract: InputContract,
    slots: Sequence[Slot],
    shadows: tuple[Columns, Columns],
    mode: Mode,
    graph: Graph | None = None,
) -> Written:
    """Trace the function along all its ways.

    Parameters
    ----------
    shadows : pair of mapping from path to ndarray
        Two batches, stacked: 5 and 7 rows in mode "batch", two rows each in mode "row"; other values, and other sizes
        of free dimensions, in each.
    graph : Graph, optional
        An empty one, to write into.

    Raises
    ------
    Refused
        It cannot be lowered in this mode.
    """
    rules = all_rules()
    written = Written(mode, graph if graph is not None else Graph(), {}, {})
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
    for place in results[0]:
        sides = [result[place] for result in results]
        if len({(one.dtype, one.shape) for one in sides}) > 1:
            raise Refused(Reason(f"slot {place} has another dtype or shape on another way", None, "if"))
        if mode == "batch":
            written.outputs[place] = _joined(written.graph, ways, sides)
        else:
            written.outputs[place] = _one_row(written.graph, ways, sides)
    if mode == "row":
        written.inputs = {path: row_of(written.graph, value, 0, 0) for path, value in written.inputs.items()}
    return written


def _joined(graph: Graph, ways: Sequence[Way], sides: Sequence[Value]) -> Value:
    return join_ways(ways, sides, lambda condition, a, b: choose(graph, condition, a, b))


def _one_row(graph: Graph, ways: Sequence[Way], sides: Sequence[Value]) -> Value:
    """Return the graph of a row, which must be that of every row and know of no other."""
    first, *others = (_row_on_all_ways(graph, ways, sides, row) for row in range(ROWS))
    for row, value in enumerate(others, start=1):
        if renamed_row(graph, value, row, 0).name != first.name:
            raise Refused(Reason("rows touch one another: the first is not treated as the next", None, "for", _ALONE))
    return with_own_sizes(graph, first)


def _row_on_all_ways(graph: Graph, ways: Sequence[Way], sides: Sequence[Value], row: int) -> Value:
    found: dict[tuple[Any, ...], tuple[Way, Value]] = {}
    for way, side in zip(ways, sides, strict=True):
        own, value = way.of_row(row), row_of(graph, side, 0, row)
        key = tuple((one.name, given) for one, given in zip(own.conditions, own.answers, strict=True))
        if found.setdefault(key, (own, value))[1].name != value.name:
            raise Refused(Reason("rows touch one another: a row's branch changes another row", None, "if", _ALONE))
    own_ways, values = zip(*found.values(), strict=True)
    made = _joined(graph, own_ways, values)
    if not rows_behind(made, {}) <= {row}:
        raise Refused(Reason("rows touch one another, or the number of rows enters into them", None, "for", _ALONE))
    return made


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
        function = load_function(text, lambda bound: hooks_of(trace, bound), trace.refuse)
        values = _slot_values(trace, function(data), slots)
    except Exception as error:
        _raise_poison(trace, error)
        raise Refused(_reason_of(trace, error)) from error
    _raise_poison(trace, None)
    if trace.left is not None:
        raise trace.left
    return values


def _reason_of(trace: Trace, error: Exception) -> Reason:
    """Return the reason that an error of the text is: one that it raises, or one that a value out of place makes."""
    text = f"it raises {type(error).__name__}: {error}" + (" for some values" if trace.way.answers else "")
    if is_raised_by_text(error) or not isinstance(error, TypeError | AttributeError):
        hint = "a graph cannot raise: mark such rows with NaN, or check them in the data set's getter"
        return Reason(text, line_of_error(error), "raise", hint)
    return Reason(f"{text}, where the data goes in a way that does not lower", line_of_error(error), None, LISTED)


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
    dims = tuple(dim if isinstance(dim, int) else Free(f"{one.path}.{axis}") for axis, dim in enumerate(one.shape, 1))
    value = trace.graph.input(one.path, pair[0].dtype, (trace.graph.rows, *dims))
    written.inputs[one.path] = value
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
    of_rows = part.value.shape[:1] == (trace.graph.rows,)
    if lead != [(size,) for size in trace.batch_sizes] or not (of_rows or trace.mode == "batch"):
        trace.refuse(f"the first axis of slot {place} is not the rows", construct="return")
    if part.dtype != np.dtype(slot.dtype):
        trace.refuse(f"slot {place} is {part.dtype} where {slot.dtype} is recorded", construct="return")
    if part.ndim != len(slot.shape):
        trace.refuse(
            f"slot {place} has {part.ndim} dimensions where {len(slot.shape)} are recorded", construct="return"
        )
    for axis, (dim, found) in enumerate(zip(slot.shape[1:], part.value.shape[1:], strict=True), start=1):
        if isinstance(dim, int) and found != dim:
            seen = found if isinstance(found, int) else "that depends on the data"
            trace.refuse(f"slot {place} has a dimension {seen} on axis {axis} where {dim} is recorded")
    return part.value
