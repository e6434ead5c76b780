"""What numpy's element-wise functions compute, on operands in the dtypes of the loop that numpy takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy._core import umath as np_umath

from hyrax_pack.lowering.graph.building import Graph, NoCounterpart, Value
from hyrax_pack.lowering.graph.exactness import mark_inexact
from hyrax_pack.lowering.operations.arithmetic import (
    always,
    as_truth,
    binary,
    choose,
    compare,
    is_finite,
    is_infinite,
    is_nan,
    is_negative,
    logic,
    negate,
    scalar,
    truncate,
    unary,
    with_sign_of,
)
from hyrax_pack.lowering.operations.casting import BOOL, INT64, cast
from hyrax_pack.lowering.operations.dividing import (
    divide_with_rest,
    floor_divide,
    remainder,
    rest_towards_zero,
)
from hyrax_pack.lowering.operations.transcendental import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cbrt,
    cos,
    cosh,
    exp2,
    expm1,
    hypot,
    log1p,
    log_of_base,
    logaddexp,
    sign_factor,
    sinh,
    tan,
)

Loop = Callable[..., Any]


def _one(op: str) -> Loop:
    return lambda graph, x: unary(graph, op, x)


def _two(op: str) -> Loop:
    return lambda graph, x, y: binary(graph, op, x, y)


def _by_dtype(for_bool: str, otherwise: str) -> Loop:
    def loop(graph: Graph, x: Value, y: Value) -> Value:
        return logic(graph, for_bool, x, y) if x.dtype == BOOL else binary(graph, otherwise, x, y)

    return loop


def _comparison(op: str) -> Loop:
    return lambda graph, x, y: compare(graph, op, x, y)


def _on_truth(op: str) -> Loop:
    return lambda graph, x, y: logic(graph, op, as_truth(graph, x), as_truth(graph, y))


def _not_equal(graph: Graph, x: Value, y: Value) -> Value:
    return negate(graph, compare(graph, "Equal", x, y))


def _whole(op: str) -> Loop:
    """Rounding: integers stay what they are."""
    return lambda graph, x: unary(graph, op, x) if x.dtype.kind == "f" else x


def _absolute(graph: Graph, x: Value) -> Value:
    return x if x.dtype == BOOL or x.dtype.kind == "u" else unary(graph, "Abs", x)


def _negative(graph: Graph, x: Value) -> Value:
    return binary(graph, "Sub", scalar(graph, 0, x), x) if x.dtype.kind != "f" else unary(graph, "Neg", x)


def _sign(graph: Graph, x: Value) -> Value:
    if x.dtype.kind == "u":
        return cast(graph, _not_equal(graph, x, scalar(graph, 0, x)), x.dtype)
    if x.dtype.kind != "f":
        return cast(graph, unary(graph, "Sign", cast(graph, x, INT64)), x.dtype)
    return sign_factor(graph, x)


def _invert(graph: Graph, x: Value) -> Value:
    if x.dtype == BOOL:
        return negate(graph, x)
    if x.dtype.kind == "u":
        return binary(graph, "Sub", graph.constant(np.iinfo(x.dtype).max, x.dtype), x)
    return binary(graph, "Sub", scalar(graph, -1, x), x)


def _square(graph: Graph, x: Value) -> Value:
    return binary(graph, "Mul", x, x)


def _reciprocal(graph: Graph, x: Value) -> Value:
    if x.dtype.kind != "f":
        raise NoCounterpart("the reciprocal of integers")
    return _divide(graph, scalar(graph, 1, x), x)


def _skipping_nan(op: str) -> Loop:
    def loop(graph: Graph, x: Value, y: Value) -> Value:
        if x.dtype == BOOL:
            return logic(graph, "Or" if op == "Max" else "And", x, y)
        both = binary(graph, op, x, y)
        if x.dtype.kind != "f":
            return both
        return choose(graph, is_nan(graph, x), y, choose(graph, is_nan(graph, y), x, both))

    return loop


def _clip(graph: Graph, x: Value, low: Value, high: Value) -> Value:
    return binary(graph, "Min", binary(graph, "Max", x, low), high)


def _times(above: float, below: float) -> Loop:
    """Multiply by a ratio, which numpy has rounded in the dtype of the loop."""

    def loop(graph: Graph, x: Value) -> Value:
        kind = x.dtype.type
        return binary(graph, "Mul", x, scalar(graph, kind(above) / kind(below), x))

    return loop


def _heaviside(graph: Graph, x: Value, at_zero: Value) -> Value:
    zero = scalar(graph, 0, x)
    side = choose(graph, compare(graph, "Less", x, zero), zero, scalar(graph, 1, x))
    side = choose(graph, compare(graph, "Equal", x, zero), at_zero, side)
    return choose(graph, is_nan(graph, x), x, side)


def _modf(graph: Graph, x: Value) -> tuple[Value, Value]:
    whole = truncate(graph, x)
    rest = choose(graph, is_infinite(graph, x), scalar(graph, 0, x), binary(graph, "Sub", x, whole))
    return with_sign_of(graph, rest, x), whole


def _false(graph: Graph, x: Value) -> Value:
    return negate(graph, always(graph, x))


def _for_floats(loop: Loop, otherwise: Loop) -> Loop:
    return lambda graph, x: loop(graph, x) if x.dtype.kind == "f" else otherwise(graph, x)


def _approximate(loop: Loop) -> Loop:
    """A formula of exact steps that is not the one numpy uses."""
    return lambda graph, *operands: mark_inexact(graph, loop(graph, *operands))


def _divide(graph: Graph, x: Value, y: Value) -> Value:
    """Divide; 1 / y as -1 / -y, for of (1 / y) * z onnxruntime makes z / y, which rounds once less."""
    if x.constant is None or x.constant.size != 1 or (x.constant != 1).any() or x.dtype.kind != "f":
        return binary(graph, "Div", x, y)
    return binary(graph, "Div", graph.constant(-x.constant), unary(graph, "Neg", y))


# Composed of several steps: float16 is rounded once at the end, as numpy does it.
IN_FLOAT32 = frozenset(
    {
        np.log1p, np.expm1, np.log2, np.log10, np.exp2, np.cbrt, np.arctan2, np.hypot, np.arcsinh, np.logaddexp,
        np.floor_divide, np.remainder, np.divmod, np.fmod, np.degrees, np.radians, np.deg2rad, np.rad2deg, np.sign,
    }
)  # fmt: skip

LOOPS: dict[np.ufunc, Loop] = {
    np.add: _by_dtype("Or", "Add"),
    np.subtract: _two("Sub"),
    np.multiply: _by_dtype("And", "Mul"),
    np.divide: _divide,
    np.floor_divide: floor_divide,
    np.remainder: remainder,
    np.divmod: divide_with_rest,
    np.fmod: rest_towards_zero,
    np.float_power: _two("Pow"),
    np.maximum: _by_dtype("Or", "Max"),
    np.minimum: _by_dtype("And", "Min"),
    np.fmax: _skipping_nan("Max"),
    np.fmin: _skipping_nan("Min"),
    getattr(np_umath, "clip"): _clip,  # noqa: B009  the stubs do not know it
    np.negative: _negative,
    np.positive: lambda graph, x: x,
    np.conjugate: lambda graph, x: x,
    np.absolute: _absolute,
    np.fabs: _one("Abs"),
    np.sign: _sign,
    np.square: _square,
    np.reciprocal: _reciprocal,
    np.sqrt: _one("Sqrt"),
    np.cbrt: cbrt,
    np.exp: _one("Exp"),
    np.exp2: exp2,
    np.expm1: expm1,
    np.log: _one("Log"),
    np.log2: lambda graph, x: log_of_base(graph, x, 2.0),
    np.log10: lambda graph, x: log_of_base(graph, x, 10.0),
    np.log1p: log1p,
    np.logaddexp: logaddexp,
    np.sin: _one("Sin"),
    np.cos: cos,
    np.tan: tan,
    np.arcsin: _approximate(arcsin),
    np.arccos: _approximate(arccos),
    np.arctan: _approximate(arctan),
    np.arctan2: _approximate(arctan2),
    np.sinh: sinh,
    np.cosh: cosh,
    np.tanh: _one("Tanh"),
    np.arcsinh: arcsinh,
    np.arccosh: arccosh,
    np.arctanh: arctanh,
    np.hypot: _approximate(hypot),
    np.degrees: _times(180, math.pi),
    np.rad2deg: _times(180, math.pi),
    np.radians: _times(math.pi, 180),
    np.deg2rad: _times(math.pi, 180),
    np.floor: _whole("Floor"),
    np.ceil: _whole("Ceil"),
    np.rint: _whole("Round"),
    np.trunc: _for_floats(truncate, lambda graph, x: x),
    np.copysign: with_sign_of,
    np.signbit: is_negative,
    np.heaviside: _heaviside,
    np.modf: _modf,
    np.equal: _comparison("Equal"),
    np.not_equal: _not_equal,
    np.less: _comparison("Less"),
    np.less_equal: _comparison("LessOrEqual"),
    np.greater: _comparison("Greater"),
    np.greater_equal: _comparison("GreaterOrEqual"),
    np.logical_and: _on_truth("And"),
    np.logical_or: _on_truth("Or"),
    np.logical_xor: _on_truth("Xor"),
    np.logical_not: lambda graph, x: negate(graph, as_truth(graph, x)),
    np.bitwise_and: _by_dtype("And", "BitwiseAnd"),
    np.bitwise_or: _by_dtype("Or", "BitwiseOr"),
    np.bitwise_xor: _by_dtype("Xor", "BitwiseXor"),
    np.invert: _invert,
    np.isnan: _for_floats(is_nan, _false),
    np.isinf: _for_floats(is_infinite, _false),
    np.isfinite: _for_floats(is_finite, lambda graph, x: always(graph, x)),
}
