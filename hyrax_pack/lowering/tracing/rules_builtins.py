"""Python's own functions, as far as they meet what is traced: len, range, enumerate, zip, isinstance, float, map."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from hyrax_pack.lowering.operations.casting import FLOAT64, cast
from hyrax_pack.lowering.tracing.arrays import Traced
from hyrax_pack.lowering.tracing.complexes import TracedComplex
from hyrax_pack.lowering.tracing.gathered import Gathered
from hyrax_pack.lowering.tracing.numbers import Position, Size, TracedNumber, counted_from
from hyrax_pack.lowering.tracing.rows import Rows, Unreadable
from hyrax_pack.lowering.tracing.rule import Rule
from hyrax_pack.lowering.tracing.shadows import ROWS, RowsInText, Shadowed, shadow_of
from hyrax_pack.lowering.tracing.walking import PerRow, entries_per_row, is_per_row, walk_rows

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace


def lower_len(trace: Trace, value: Any) -> Any:
    """Lower len(): the batch's size for rows and whatever a loop over them gathered."""
    if isinstance(value, Rows):
        return value.stack.shape[0] if value.is_batch else len(value.stack.shadows[0])
    if isinstance(value, Unreadable):
        if value.is_row:
            value.refuse()
        return trace.batch_size
    if isinstance(value, Traced | TracedComplex):
        if not value.ndim:
            raise TypeError("len() of unsized object")
        return value.shape[0]
    if isinstance(value, RowsInText) and value.is_batch:
        return trace.batch_size
    return len(value)


def lower_range(trace: Trace, *bounds: Any) -> Any:
    """Lower range(): over the rows it is one position, in a trace of one row."""
    if not any(isinstance(bound, Size) for bound in bounds):
        return range(*bounds)
    start, stop, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    if not isinstance(stop, Size) or not stop.is_batch or (start, step) != (0, 1):
        trace.refuse(
            "a loop over part of the rows, or as often as the data says",
            construct="range()",
            hint="for i in range(len(rows))",
        )
    if trace.mode == "batch":
        trace.need_rows()
    return PerRow(trace, [Position(trace, row) for row in range(ROWS)])


def lower_enumerate(trace: Trace, values: Any, start: int = 0) -> Any:
    """Lower enumerate()."""
    entries = entries_per_row(trace, values)
    if entries is None:
        return enumerate(values, start)
    if type(start) is not int:
        trace.refuse("rows counted from what is no plain number", construct="enumerate()")
    return PerRow(trace, [(counted_from(trace, row, start), entry) for row, entry in enumerate(entries)])


def lower_zip(trace: Trace, *columns: Any, strict: bool = False) -> Any:
    """Lower zip(): rows go with rows."""
    if not any(map(is_per_row, columns)):
        return zip(*columns, strict=strict)
    if not all(map(is_per_row, columns)):
        trace.refuse(
            "rows go side by side with what is not one per row",
            construct="zip()",
            hint="a row must give the same whatever its place in the batch",
        )
    return PerRow(trace, list(zip(*[entries_per_row(trace, column) or () for column in columns], strict=True)))


def lower_isinstance(trace: Trace, value: Any, classes: Any) -> bool:
    """Lower isinstance(): asks what stands behind the traced value."""
    if isinstance(value, Unreadable):
        if value.is_row:
            value.refuse()
        return isinstance([], classes)
    return isinstance(shadow_of(value, 0) if isinstance(value, Shadowed) else value, classes)


def lower_type(trace: Trace, *args: Any) -> Any:
    """Lower type() of one value."""
    if len(args) == 1 and isinstance(args[0], RowsInText):
        return list
    if len(args) == 1 and isinstance(args[0], Shadowed):
        return list if isinstance(args[0], Unreadable) else type(args[0].shadow(0))
    return type(*args)


def lower_sequence(kind: type) -> Callable[..., Any]:
    """Return the rule of list() or tuple()."""

    def rule(trace: Trace, *values: Any) -> Any:
        if values and isinstance(values[0], Rows) and kind is list:
            return values[0]
        entries = entries_per_row(trace, values[0]) if values else None
        if entries is not None:
            return Gathered(trace, entries, is_batch=True)
        made = kind(*values)
        return trace.new_list(made) if kind is list else made

    return rule


def lower_float(trace: Trace, *values: Any) -> Any:
    """Lower float(): a Python number that stays traced."""
    if not values or not isinstance(values[0], Traced | TracedNumber):
        return float(*values)
    value = values[0]
    if isinstance(value, TracedNumber):
        shadows = (float(value.shadow(0)), float(value.shadow(1)))
        return TracedNumber(trace, shadows, cast(trace.graph, value.value, FLOAT64))
    number = trace.python_number(value, "float()")
    return lower_float(trace, number)


def lower_int(trace: Trace, *values: Any) -> Any:
    """Lower int() of what holds integers; of a float it raises for NaN, which a graph cannot."""
    if not values or not isinstance(values[0], Traced | TracedNumber):
        return int(*values)
    value = values[0]
    number = value if isinstance(value, TracedNumber) else trace.python_number(value, "int()")
    if isinstance(number, Size) or not isinstance(number, TracedNumber):
        return number if isinstance(number, Size) else int(number)
    if isinstance(number.shadow(0), float):
        trace.refuse("int() of a float raises for NaN", construct="int()", hint="use x.astype(np.int64)")
    shadows = (int(number.shadow(0)), int(number.shadow(1)))
    return TracedNumber(trace, shadows, cast(trace.graph, number.value, np.int64), number.bounds)


def lower_bool(trace: Trace, *values: Any) -> Any:
    """Lower bool(): both answers are followed."""
    return bool(*values)


def lower_map(trace: Trace, function: Any, *columns: Any) -> Any:
    """Lower map(): every call passes through the trace."""
    if not any(map(is_per_row, columns)):
        return (trace.call(function, *row) for row in zip(*columns, strict=False))
    rows = lower_zip(trace, *columns)
    return PerRow(trace, [trace.call(function, *row) for row in walk_rows(trace, rows.take(), frozenset())])


def lower_filter(trace: Trace, function: Any, values: Any) -> Any:
    """Lower filter(), but not of the rows."""
    if is_per_row(values):
        trace.refuse("rows are left out", construct="filter()", hint="one entry for every row")
    return (value for value in values if (value if function is None else trace.call(function, value)))


def lower_sum(trace: Trace, values: Any, start: Any = 0) -> Any:
    """Lower sum()."""
    return sum(trace.walk(values) if isinstance(values, Shadowed) else values, start)


def lower_reversed(trace: Trace, values: Any) -> Any:
    """Lower reversed(): not of the rows."""
    if is_per_row(values):
        trace.refuse("the rows in another order", construct="reversed()")
    if isinstance(values, Traced):
        return iter(values[::-1])
    return reversed(values)


def lower_hasattr(trace: Trace, value: Any, name: str) -> bool:
    """Lower hasattr(): asks what stands behind the traced value."""
    if isinstance(value, Unreadable):
        return hasattr([], name)
    return hasattr(shadow_of(value, 0) if isinstance(value, Shadowed) else value, name)


def _refusing(name: str) -> Callable[..., NoReturn]:
    def rule(trace: Trace, *args: Any, **kwargs: Any) -> NoReturn:
        trace.refuse("this looks beyond the data", construct=f"{name}()", hint="compute from data_dict only")

    return rule


def _nothing(trace: Trace, *args: Any, **kwargs: Any) -> None:
    """What is printed changes no result."""


def _always(lower: Callable[..., Any]) -> Rule:
    return Rule(lower, is_special=True, is_always=True)


# What asks for the world, or for Python itself.
_BEYOND: tuple[Any, ...] = (
    breakpoint, compile, delattr, dir, eval, exec, globals, hash, id, input, locals, memoryview, open, setattr, vars,
    builtins.__import__,
)  # fmt: skip

RULES: dict[Any, Rule] = {
    len: _always(lower_len),
    range: _always(lower_range),
    enumerate: _always(lower_enumerate),
    zip: _always(lower_zip),
    isinstance: _always(lower_isinstance),
    hasattr: _always(lower_hasattr),
    type: _always(lower_type),
    list: _always(lower_sequence(list)),
    tuple: _always(lower_sequence(tuple)),
    float: _always(lower_float),
    int: _always(lower_int),
    bool: _always(lower_bool),
    map: _always(lower_map),
    filter: _always(lower_filter),
    sum: _always(lower_sum),
    reversed: _always(lower_reversed),
    print: _always(_nothing),
} | {function: _always(_refusing(function.__name__)) for function in _BEYOND}
