"""Calculating with Python numbers as Python does, where no value can make Python raise or go beyond 64 bits."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.lowering.graph.building import Value
from hyrax_pack.lowering.operations.arithmetic import binary, compare, negate, unary
from hyrax_pack.lowering.operations.casting import FLOAT64, INT64, cast
from hyrax_pack.lowering.operations.dividing import floor_divide, remainder
from hyrax_pack.lowering.tracing.numbers import COMPARISONS, INT64_BOUNDS, Bounds, Size, TracedNumber
from hyrax_pack.lowering.tracing.shadows import quietly

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

_EXACT_IN_DOUBLE = 2**53


def emit_number(trace: Trace, function: Callable[..., Any], operands: tuple[Any, ...]) -> TracedNumber | Size:
    """Calculate with Python numbers as Python does, where no value can make Python raise."""
    shadows = tuple(
        quietly(function, [one.shadow(at) if isinstance(one, TracedNumber) else one for one in operands], {})
        for at in (0, 1)
    )
    dtype = FLOAT64 if any(isinstance(one, float) for one in _shadow_numbers(operands)) else INT64
    if function is operator.truediv:
        dtype = FLOAT64
    values = [
        cast(trace.graph, one.value if isinstance(one, TracedNumber) else trace.graph.constant(one), dtype)
        for one in operands
    ]
    bounds = _checked_bounds(trace, function, operands) if isinstance(shadows[0], int) else INT64_BOUNDS
    _check_doubles(trace, function, operands)
    if function in _STEPPING:
        for one in values:
            trace.require_exact(one, _STEPPING[function])
    value = _emit(trace, function, operands, values)
    if isinstance(shadows[0], bool):
        return TracedNumber(trace, (bool(shadows[0]), bool(shadows[1])), cast(trace.graph, value, bool))
    is_size = isinstance(shadows[0], int) and any(isinstance(one, Size) for one in operands)
    if is_size and all(isinstance(one, Size | int) for one in operands):
        return Size(trace, (shadows[0], shadows[1]), value, bounds)
    return TracedNumber(trace, (shadows[0], shadows[1]), value, bounds)


def _checked_bounds(trace: Trace, function: Callable[..., Any], operands: tuple[Any, ...]) -> Bounds:
    """Return what a whole number can be; refuse what 64 bits cannot hold."""
    bounds = _bounds(function, [_bounds_of(one) for one in operands])
    if bounds[0] < INT64_BOUNDS[0] or bounds[1] > INT64_BOUNDS[1]:
        trace.refuse(
            "a whole number that may grow beyond 64 bits: Python's does not wrap around",
            construct=getattr(function, "__name__", None),
            hint="use float(), or keep it a numpy scalar: leave out int() and .item()",
        )
    return bounds


def _bounds_of(operand: Any) -> Bounds:
    if isinstance(operand, TracedNumber):
        return operand.bounds
    return (operand, operand) if isinstance(operand, int) else INT64_BOUNDS


def _bounds(function: Callable[..., Any], bounds: Sequence[Bounds]) -> Bounds:
    if function in COMPARISONS:
        return (0, 1)
    if function in (operator.neg, operator.abs):
        low, high = bounds[0]
        ends = [-low, -high] if function is operator.neg else [abs(low), abs(high), 0 if low <= 0 <= high else abs(low)]
        return min(ends), max(ends)
    if function in _OF_BITS:
        return _bounds_of_bits([*bounds, (-1, -1)] if function is operator.invert else bounds)
    if function is operator.mod:
        low, high = bounds[1]
        return min(0, low + 1), max(0, high - 1)
    # of monotone operations the ends decide; a divisor is never 0, and nearest to it where it is 1 or -1
    seconds = {*bounds[1], *((-1, 1) if function is operator.floordiv and bounds[1][0] < 0 < bounds[1][1] else ())}
    made = [function(a, b) for a in bounds[0] for b in seconds if b or function is not operator.floordiv]
    return min(made), max(made)


def _bounds_of_bits(bounds: Sequence[Bounds]) -> Bounds:
    """Return what the bits of whole numbers can make: as many bits as the widest has, negative where one can be."""
    bits = max(max(-low - 1, high) for low, high in bounds).bit_length()
    return -(1 << bits) if any(low < 0 for low, _ in bounds) else 0, (1 << bits) - 1


def _check_doubles(trace: Trace, function: Callable[..., Any], operands: tuple[Any, ...]) -> None:
    """Refuse whole numbers beyond 53 bits where Python divides or compares them exactly, and a double cannot."""
    numbers = _shadow_numbers(operands)
    is_mixed = any(isinstance(one, float) for one in numbers) and any(isinstance(one, int) for one in numbers)
    if function is not operator.truediv and not (function in COMPARISONS and is_mixed):
        return
    wide = [_bounds_of(one) for one, number in zip(operands, numbers, strict=True) if isinstance(number, int)]
    if any(max(abs(low), abs(high)) > _EXACT_IN_DOUBLE for low, high in wide):
        trace.refuse(
            "a whole number beyond 53 bits is divided, or compared with a float",
            construct=getattr(function, "__name__", None),
            hint="keep it a numpy scalar: leave out int() and .item()",
        )


def number_as(trace: Trace, number: TracedNumber, dtype: Any) -> Value:
    """Return a Python number in a dtype of numpy, which raises where a whole number does not fit."""
    dtype = np.dtype(dtype)
    if isinstance(number.shadow(0), int) and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if number.bounds[0] < limits.min or number.bounds[1] > limits.max:
            trace.refuse(
                f"a whole number that may not fit into {dtype.name}: numpy raises there",
                hint="keep it a numpy scalar (leave out int() and .item()), or use a wider dtype",
            )
    if isinstance(number.shadow(0), int) and dtype.kind == "f":
        return cast(trace.graph, cast(trace.graph, number.value, FLOAT64), dtype)  # by way of a double, as numpy has it
    return cast(trace.graph, number.value, dtype)


def _emit(trace: Trace, function: Callable[..., Any], operands: tuple[Any, ...], values: list[Value]) -> Value:
    graph = trace.graph
    if function in _PLAIN:
        return binary(graph, _PLAIN[function], values[0], values[1])
    if function in _COMPARED:
        made = compare(graph, _COMPARED[function], values[0], values[1])
        return negate(graph, made) if function is operator.ne else made
    if function in _OF_BITS:
        return _of_bits(trace, function, values)
    if function is operator.neg:
        return unary(graph, "Neg", values[0])
    if function is operator.abs:
        return unary(graph, "Abs", values[0])
    _refuse_zero_divisor(trace, operands[1])
    if function is operator.truediv:
        return binary(graph, "Div", values[0], values[1])
    return (floor_divide if function is operator.floordiv else remainder)(graph, values[0], values[1])


def _of_bits(trace: Trace, function: Callable[..., Any], values: list[Value]) -> Value:
    """Return what whole numbers give bit by bit; of two truths that is one again, by the cast of whoever asks."""
    graph = trace.graph
    if function is operator.invert:
        return binary(graph, "Sub", graph.constant(np.int64(-1)), values[0])
    return binary(graph, _OF_BITS[function], values[0], values[1])


def _refuse_zero_divisor(trace: Trace, divisor: Any) -> None:
    """Python raises for a zero where numpy gives infinity: the one thing a graph cannot do."""
    is_safe = (isinstance(divisor, Size) and divisor.is_batch) or (isinstance(divisor, int | float) and divisor != 0)
    if not is_safe:
        trace.refuse(
            "a Python number divided by one from the data: Python raises where that is 0",
            construct="/",
            hint="keep it a numpy scalar: leave out float() and .item()",
        )


def _shadow_numbers(operands: tuple[Any, ...]) -> list[Any]:
    return [one.shadow(0) if isinstance(one, TracedNumber) else one for one in operands]


_STEPPING = {
    operator.eq: "==",
    operator.ne: "!=",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.floordiv: "//",
    operator.mod: "%",
}
_OF_BITS = {
    operator.and_: "BitwiseAnd",
    operator.or_: "BitwiseOr",
    operator.xor: "BitwiseXor",
    operator.invert: "BitwiseNot",
}
_PLAIN = {operator.add: "Add", operator.sub: "Sub", operator.mul: "Mul"}
_COMPARED = {
    operator.eq: "Equal",
    operator.ne: "Equal",
    operator.lt: "Less",
    operator.le: "LessOrEqual",
    operator.gt: "Greater",
    operator.ge: "GreaterOrEqual",
}
