"""Numpy's element-wise functions: which loop numpy takes, and what that loop is in the graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy._core import umath as np_umath

from hyrax_pack.lowering.graph.building import DType, Graph, NoCounterpart, Value
from hyrax_pack.lowering.operations.arithmetic import (
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
from hyrax_pack.lowering.operations.casting import BOOL, FLOAT16, FLOAT32, INT64, UINT64, cast, plain_cast
from hyrax_pack.lowering.operations.dividing import (
    divide_with_rest,
    floor_divide,
    remainder,
    rest_towards_zero,
    shift_right,
)
from hyrax_pack.lowering.operations.products import matmul
from hyrax_pack.lowering.operations.transcendental import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cbrt,
    cosh,
    exp2,
    expm1,
    hypot,
    log1p,
    log_of_base,
    logaddexp,
    sinh,
    tan,
)
from hyrax_pack.lowering.tracing.arrays import Traced, TracedArray
from hyrax_pack.lowering.tracing.numbers import TracedNumber
from hyrax_pack.lowering.tracing.rows import Rows
from hyrax_pack.lowering.tracing.rules_reducing import lower_running_extreme
from hyrax_pack.lowering.tracing.shadows import on_shadows, shadow_of, traced_in
from hyrax_pack.lowering.tracing.wrapping import known_pair, wrap

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

Loop = Callable[..., Any]

_REDUCING: dict[np.ufunc, Any] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_and: np.all,
    np.logical_or: np.any,
}
_COMPARISONS = frozenset({np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal})


def lower_ufunc(trace: Trace, ufunc: np.ufunc, method: str, inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Lower a call of an element-wise function, with `out=`, `where=` and `dtype=`."""
    out = kwargs.pop("out", None)
    if method == "reduce" and ufunc in _REDUCING:
        kwargs.setdefault("axis", 0)
        return trace.call_numpy(_REDUCING[ufunc], tuple(inputs), kwargs | ({"out": out} if out else {}))
    if method == "accumulate" and ufunc is np.add:
        return trace.call_numpy(np.cumsum, tuple(inputs), {"axis": 0} | kwargs)
    if method == "accumulate" and ufunc in (np.maximum, np.minimum):
        return lower_running_extreme(trace, ufunc, *inputs, **kwargs)
    if method == "outer" and len(inputs) == 2:
        left, right = (trace.array_of(one) for one in inputs)
        return ufunc(np.reshape(left, (*left.shape, *[1] * right.ndim)), right, **kwargs)
    if method != "__call__":
        trace.refuse("this method of an element-wise function", construct=f"np.{ufunc.__name__}.{method}")
    operands = [trace.array_of(one) if isinstance(one, list | tuple | Rows) else one for one in inputs]
    where = kwargs.pop("where", True)
    targets = out if isinstance(out, tuple) else (out,) if out is not None else ()
    if targets:
        return _into(trace, ufunc, operands, targets, where, kwargs)
    if where is not True:
        trace.refuse("where= without out= leaves the rest undefined", construct="where=", hint="use np.where")
    return _plain(trace, ufunc, operands, kwargs)


def _plain(trace: Trace, ufunc: np.ufunc, operands: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    unknown = set(kwargs) - {"dtype", "casting", "subok", "order"}
    if unknown:
        trace.refuse("this argument of an element-wise function", construct=f"{min(unknown)}=")
    try:
        real = on_shadows(ufunc, operands, kwargs)
    except (TypeError, ValueError, OverflowError) as error:
        trace.refuse(f"numpy raises {type(error).__name__}: {error}", construct=f"np.{ufunc.__name__}")
    if not trace.holds_traced(list(operands)):
        return known_pair(trace, real, list(traced_in(list(operands))))
    values = _loop_operands(trace, ufunc, operands, kwargs.get("dtype"))
    made = _run_loop(trace, ufunc, operands, values)
    if isinstance(made, tuple):
        return tuple(wrap(trace, (real[0][i], real[1][i]), one) for i, one in enumerate(made))
    return wrap(trace, real, made)


def _into(
    trace: Trace, ufunc: np.ufunc, operands: Sequence[Any], targets: Sequence[Any], where: Any, kwargs: dict[str, Any]
) -> Any:
    """Compute into an array of the function's own, where a condition holds."""
    (target,) = targets if len(targets) == 1 else (None,)
    if not isinstance(target, TracedArray):
        trace.refuse("out= is no array of the function's own", construct="out=", hint="start from np.zeros_like(x)")
    result = _plain(trace, ufunc, operands, kwargs)
    dtype = np.asarray(shadow_of(result, 0)).dtype
    if not np.can_cast(dtype, target.dtype, "same_kind"):
        trace.refuse(
            f"numpy raises UFuncTypeError: {dtype} does not go into {target.dtype}",
            construct=f"np.{ufunc.__name__}",
            hint=f"convert first: x = x.astype({dtype.name!r})",
        )
    target[...] = result if where is True else np.where(where, result, target).astype(target.dtype)
    return target


def _loop_operands(trace: Trace, ufunc: np.ufunc, operands: Sequence[Any], dtype: Any) -> list[Value]:
    """Return the operands in the dtypes of the loop that numpy takes."""
    kinds = tuple(_loop_kind(one) for one in operands)
    extra: dict[str, Any] = (
        {"signature": (None,) * ufunc.nin + (np.dtype(dtype),) * ufunc.nout} if dtype is not None else {}
    )
    resolved = ufunc.resolve_dtypes(kinds + (None,) * ufunc.nout, **extra)
    dtypes = list(resolved[: ufunc.nin])
    if ufunc in _COMPARISONS:
        dtypes = _compared_as(trace, operands, dtypes)
    return [_operand(trace, one, np.dtype(wanted)) for one, wanted in zip(operands, dtypes, strict=True)]


def _loop_kind(operand: Any) -> Any:
    if isinstance(operand, TracedNumber):
        operand = operand.shadow(0)
    if isinstance(operand, Traced):
        return operand.dtype
    kind = type(operand)
    return kind if kind in (int, float) else np.asarray(operand).dtype


def _operand(trace: Trace, operand: Any, dtype: DType) -> Value:
    if isinstance(operand, Traced | TracedNumber):
        return cast(trace.graph, operand.value, dtype)
    return trace.graph.constant(np.asarray(operand, dtype=dtype))


def _compared_as(trace: Trace, operands: Sequence[Any], dtypes: list[Any]) -> list[Any]:
    """Widen a comparison with a Python integer that the array's dtype cannot hold; numpy answers it by value."""
    if {np.dtype(one) for one in dtypes} == {INT64, UINT64}:
        trace.refuse("int64 compared with uint64", hint="convert one of them first")
    for operand, dtype in zip(operands, dtypes, strict=True):
        if type(operand) is int and np.dtype(dtype).kind in "iu":
            limits = np.iinfo(dtype)
            if not limits.min <= operand <= limits.max:
                return [INT64, INT64] if abs(operand) < 1 << 62 and np.dtype(dtype) != UINT64 else dtypes
    return dtypes


def _run_loop(trace: Trace, ufunc: np.ufunc, operands: Sequence[Any], values: list[Value]) -> Any:
    if ufunc is np.power:
        return _power(trace, operands, values)
    if ufunc in (np.left_shift, np.right_shift):
        return _shift(trace, ufunc, operands[1], values)
    if ufunc is np.matmul:
        return matmul(trace.graph, *values)
    loop = _LOOPS.get(ufunc)
    if loop is None:
        trace.refuse(
            "this function does not lower",
            construct=f"np.{ufunc.__name__}",
            hint="see docs/lowering.md for what does",
        )
    if ufunc in _IN_FLOAT32 and values[0].dtype == FLOAT16:  # as numpy does it, rounding once
        values = [plain_cast(trace.graph, value, FLOAT32) for value in values]
    return loop(trace.graph, *values)


def _power(trace: Trace, operands: Sequence[Any], values: list[Value]) -> Value:
    """Powers: numpy takes a square root for one exponent of 0.5, and integers wrap around."""
    graph, (base, exponent) = trace.graph, values
    number = exponent.constant
    if base.dtype.kind in "iu":
        return _integer_power(trace, base, number)
    if number is not None and number.ndim == 0:
        if number == 2:
            return binary(graph, "Mul", base, base)
        if number == 1:
            return base
        if number == -1:
            return binary(graph, "Div", scalar(graph, 1, base), base)
        if number == 0.5:
            root = unary(graph, "Sqrt", base)
            if isinstance(operands[0], TracedArray):
                return root
            endless = compare(graph, "Equal", base, scalar(graph, -math.inf, base))  # a scalar's power is C's pow
            return choose(graph, endless, scalar(graph, math.inf, base), root)
    if isinstance(operands[1], TracedArray) and operands[1].is_known and number is not None and (number == 0.5).any():
        trace.refuse("an array of exponents with 0.5 among them", construct="**", hint="use np.sqrt")
    return binary(graph, "Pow", base, exponent)


def _integer_power(trace: Trace, base: Value, number: Any) -> Value:
    if number is None or number.ndim or not 0 <= int(number) <= 64:
        trace.refuse("an integer power that is not a small number", construct="**", hint="convert to float first")
    graph = trace.graph
    made: Value | None = None
    square, left = base, int(number)
    while left:
        if left & 1:
            made = square if made is None else binary(graph, "Mul", made, square)
        left >>= 1
        if left:
            square = binary(graph, "Mul", square, square)
    return made if made is not None else choose(graph, _always(graph, base), scalar(graph, 1, base), base)


def _always(graph: Graph, value: Value) -> Value:
    return compare(graph, "Equal", value, value)


def _shift(trace: Trace, ufunc: np.ufunc, places: Any, values: list[Value]) -> Value:
    graph, (value, by) = trace.graph, values
    if by.constant is None or (by.constant < 0).any():
        trace.refuse("a shift by places from the data", construct=f"np.{ufunc.__name__}", hint="use a known number")
    count = by.constant.astype(np.int64)
    bits = value.dtype.itemsize * 8
    if ufunc is np.right_shift:
        if value.dtype == UINT64:
            trace.refuse("a shift of uint64", construct=">>", hint="convert to int64 first")
        return shift_right(graph, value, count)
    factor = np.where(count < bits, np.left_shift(np.int64(1), np.minimum(count, 62)), 0)
    if bits == 64 and (count == 63).any():
        trace.refuse("a shift by 63 places", construct="<<")
    wide = binary(graph, "Mul", plain_cast(graph, value, INT64), graph.constant(factor))
    return plain_cast(graph, wide, value.dtype)


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
    return choose(graph, is_nan(graph, x), x, unary(graph, "Sign", x))


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
    return binary(graph, "Div", scalar(graph, 1, x), x)


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


def _times(number: float) -> Loop:
    return lambda graph, x: binary(graph, "Mul", x, scalar(graph, number, x))


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
    return negate(graph, _always(graph, x))


def _for_floats(loop: Loop, otherwise: Loop) -> Loop:
    return lambda graph, x: loop(graph, x) if x.dtype.kind == "f" else otherwise(graph, x)


_IN_FLOAT32 = frozenset(
    {
        np.log1p, np.expm1, np.log2, np.log10, np.exp2, np.cbrt, np.arctan2, np.hypot, np.arcsinh, np.logaddexp,
        np.floor_divide, np.remainder, np.divmod, np.fmod, np.degrees, np.radians, np.deg2rad, np.rad2deg,
    }
)  # fmt: skip

_LOOPS: dict[np.ufunc, Loop] = {
    np.add: _by_dtype("Or", "Add"),
    np.subtract: _two("Sub"),
    np.multiply: _by_dtype("And", "Mul"),
    np.divide: _two("Div"),
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
    np.cos: _one("Cos"),
    np.tan: tan,
    np.arcsin: arcsin,
    np.arccos: arccos,
    np.arctan: arctan,
    np.arctan2: arctan2,
    np.sinh: sinh,
    np.cosh: cosh,
    np.tanh: _one("Tanh"),
    np.arcsinh: arcsinh,
    np.arccosh: arccosh,
    np.arctanh: arctanh,
    np.hypot: hypot,
    np.degrees: _times(180 / math.pi),
    np.rad2deg: _times(180 / math.pi),
    np.radians: _times(math.pi / 180),
    np.deg2rad: _times(math.pi / 180),
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
    np.isfinite: _for_floats(is_finite, lambda graph, x: _always(graph, x)),
}
