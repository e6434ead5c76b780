"""Arithmetic that has an ONNX operation: sums, products, quotients, comparisons, logic, and choosing between values.

Operands come in the dtype of numpy's loop; results go back to it.
"""

from __future__ import annotations

import numpy as np

from hyrax_pack.lowering.graph.building import DType, Graph, Value, broadcast_shape
from hyrax_pack.lowering.operations.casting import (
    BOOL,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    INT32,
    INT64,
    UINT64,
    carrier,
    cast,
    plain_cast,
)

_CHOOSABLE = frozenset({FLOAT32, FLOAT64, INT32, INT64, np.dtype(np.uint8)})


def unary(graph: Graph, op: str, value: Value) -> Value:
    """Apply an operation of one operand in the carrier dtype and come back."""
    carried = plain_cast(graph, value, carrier(value.dtype))
    return plain_cast(graph, graph.one(op, [carried], carried.dtype, carried.shape), value.dtype)


def binary(graph: Graph, op: str, left: Value, right: Value) -> Value:
    """Apply an operation of two operands of one dtype in the carrier dtype and come back."""
    a, b = (plain_cast(graph, one, carrier(one.dtype)) for one in (left, right))
    made = graph.one(op, [a, b], a.dtype, broadcast_shape([a.shape, b.shape]))
    return plain_cast(graph, made, left.dtype)


def compare(graph: Graph, op: str, left: Value, right: Value) -> Value:
    """Compare two values of one dtype."""
    dtype = left.dtype
    if dtype == BOOL and op != "Equal":
        dtype = INT32
    a, b = (plain_cast(graph, one, carrier(dtype)) for one in (left, right))
    return graph.one(op, [a, b], BOOL, broadcast_shape([a.shape, b.shape]))


def logic(graph: Graph, op: str, left: Value, right: Value) -> Value:
    """Apply And, Or or Xor to truth values."""
    return graph.one(op, [left, right], BOOL, broadcast_shape([left.shape, right.shape]))


def negate(graph: Graph, value: Value) -> Value:
    """Return the opposite truth value."""
    return graph.one("Not", [value], BOOL, value.shape)


def either(graph: Graph, *conditions: Value) -> Value:
    """Whether any of the conditions holds."""
    made = conditions[0]
    for condition in conditions[1:]:
        made = logic(graph, "Or", made, condition)
    return made


def choose(graph: Graph, condition: Value, chosen: Value, otherwise: Value) -> Value:
    """Pick values of one dtype by a condition; the dtypes that `Where` lacks travel in another."""
    dtype = chosen.dtype
    if chosen is otherwise:
        shape = broadcast_shape([condition.shape, chosen.shape])
        if shape == chosen.shape:
            return chosen
    if dtype == BOOL:  # no Where for truth values
        yes = logic(graph, "And", condition, chosen)
        return logic(graph, "Or", yes, logic(graph, "And", negate(graph, condition), otherwise))
    via = dtype if dtype in _CHOOSABLE else INT64 if dtype == UINT64 else carrier(dtype)
    a, b = plain_cast(graph, chosen, via), plain_cast(graph, otherwise, via)
    made = graph.one("Where", [condition, a, b], via, broadcast_shape([condition.shape, a.shape, b.shape]))
    return plain_cast(graph, made, dtype)


def always(graph: Graph, value: Value) -> Value:
    """Return true in the shape of a value that is no float."""
    return compare(graph, "Equal", value, value)


def scalar(graph: Graph, number: float | int | bool, like: Value) -> Value:
    """Return a number as a constant of the dtype of another value."""
    return graph.constant(np.asarray(number, dtype=like.dtype))


def clip(graph: Graph, value: Value, low: float, high: float) -> Value:
    """Hold float values between two numbers, the lower one first; NaN stays NaN."""
    carried = plain_cast(graph, value, carrier(value.dtype))
    bounds = [scalar(graph, bound, carried) for bound in (low, high)]
    return plain_cast(graph, graph.one("Clip", [carried, *bounds], carried.dtype, carried.shape), value.dtype)


def is_nan(graph: Graph, value: Value) -> Value:
    """Where a float value is NaN."""
    if value.dtype == FLOAT16:
        value = plain_cast(graph, value, FLOAT32)
    return graph.one("IsNaN", [value], BOOL, value.shape)


def is_infinite(graph: Graph, value: Value) -> Value:
    """Where a float value is infinite."""
    size = unary(graph, "Abs", value)
    return compare(graph, "Equal", size, scalar(graph, np.inf, size))


def is_finite(graph: Graph, value: Value) -> Value:
    """Where a float value is neither NaN nor infinite: both fail the comparison."""
    size = unary(graph, "Abs", value)
    return compare(graph, "Less", size, scalar(graph, np.inf, size))


def is_negative(graph: Graph, value: Value) -> Value:
    """Where the sign bit of a float is set, -0.0 included (NaN: False)."""
    below = compare(graph, "Less", value, scalar(graph, 0, value))
    zero = compare(graph, "Equal", value, scalar(graph, 0, value))
    inverse = binary(graph, "Div", scalar(graph, 1, value), value)
    return either(graph, below, logic(graph, "And", zero, compare(graph, "Less", inverse, scalar(graph, 0, value))))


def truncate(graph: Graph, value: Value) -> Value:
    """Round towards zero, keeping the sign of zero."""
    below = compare(graph, "Less", value, scalar(graph, 0, value))
    return choose(graph, below, unary(graph, "Ceil", value), unary(graph, "Floor", value))


def with_sign_of(graph: Graph, size: Value, sign: Value) -> Value:
    """Return the magnitude of one float with the sign of another."""
    size = unary(graph, "Abs", size)
    return choose(graph, is_negative(graph, sign), unary(graph, "Neg", size), size)


def as_truth(graph: Graph, value: Value) -> Value:
    """Return what `bool` makes of each value: NaN is true."""
    return cast(graph, value, BOOL)


def promote(graph: Graph, dtype: DType, *values: Value) -> tuple[Value, ...]:
    """Cast several values to one dtype."""
    return tuple(cast(graph, value, dtype) for value in values)
