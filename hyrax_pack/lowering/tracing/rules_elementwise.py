"""Numpy's element-wise functions: which loop numpy takes, in which dtypes, and where the result goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.lowering.graph.building import DType, Value
from hyrax_pack.lowering.operations.arithmetic import always, binary, choose, compare, scalar, unary
from hyrax_pack.lowering.operations.casting import FLOAT16, FLOAT32, INT64, UINT64, cast, plain_cast
from hyrax_pack.lowering.operations.dividing import shift_right
from hyrax_pack.lowering.operations.loops import IN_FLOAT32, LOOPS
from hyrax_pack.lowering.operations.products import matmul
from hyrax_pack.lowering.tracing.arrays import Traced, TracedArray
from hyrax_pack.lowering.tracing.calculating import number_as
from hyrax_pack.lowering.tracing.numbers import TracedNumber
from hyrax_pack.lowering.tracing.rows import Rows
from hyrax_pack.lowering.tracing.rules_reducing import lower_running_extreme
from hyrax_pack.lowering.tracing.shadows import on_shadows, shadow_of, traced_in
from hyrax_pack.lowering.tracing.wrapping import known_pair, wrap

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

_REDUCING: dict[np.ufunc, Any] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_and: np.all,
    np.logical_or: np.any,
}
# Where the last bit of an operand may decide, by the operand's place.
_STEPPING: dict[np.ufunc, tuple[int, ...]] = {
    **dict.fromkeys((np.floor, np.ceil, np.rint, np.trunc, np.sign, np.signbit, np.modf, np.heaviside), (0,)),
    **dict.fromkeys((np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal), (0, 1)),
    **dict.fromkeys((np.floor_divide, np.remainder, np.divmod, np.fmod, np.arctan2), (0, 1)),
    **dict.fromkeys((np.logical_and, np.logical_or, np.logical_xor), (0, 1)),
    np.logical_not: (0,),
    np.copysign: (1,),
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
    for at in _STEPPING.get(ufunc, ()):
        trace.require_exact(values[at], f"np.{ufunc.__name__}")
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
    if isinstance(operand, TracedNumber):
        return number_as(trace, operand, dtype)
    if isinstance(operand, Traced):
        return cast(trace.graph, operand.value, dtype)
    return trace.graph.constant(np.asarray(operand, dtype=dtype))


def _compared_as(trace: Trace, operands: Sequence[Any], dtypes: list[Any]) -> list[Any]:
    """Widen a comparison with a Python integer that the array's dtype cannot hold; numpy answers it by value."""
    if {np.dtype(one) for one in dtypes} == {INT64, UINT64}:
        trace.refuse("int64 compared with uint64", hint="convert one of them first")
    for operand, dtype in zip(operands, dtypes, strict=True):
        if np.dtype(dtype).kind not in "iu" or not isinstance(operand, int | TracedNumber):
            continue
        low, high = operand.bounds if isinstance(operand, TracedNumber) else (int(operand), int(operand))
        limits, wide = np.iinfo(dtype), np.iinfo(INT64)
        if limits.min <= low and high <= limits.max:
            continue
        if np.dtype(dtype) == UINT64 or low < wide.min or high > wide.max:
            trace.refuse(
                f"{np.dtype(dtype).name} compared with a whole number beyond it", hint="convert to float64 first"
            )
        return [INT64, INT64]
    return dtypes


def _run_loop(trace: Trace, ufunc: np.ufunc, operands: Sequence[Any], values: list[Value]) -> Any:
    if ufunc is np.power:
        return _power(trace, operands, values)
    if ufunc in (np.left_shift, np.right_shift):
        return _shift(trace, ufunc, operands[1], values)
    if ufunc is np.matmul:
        return matmul(trace.graph, *values)
    loop = LOOPS.get(ufunc)
    if loop is None:
        trace.refuse(
            "this function does not lower",
            construct=f"np.{ufunc.__name__}",
            hint="see docs/lowering.md for what does",
        )
    if ufunc in IN_FLOAT32 and values[0].dtype == FLOAT16:  # as numpy does it, rounding once
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
            made: Value = LOOPS[np.reciprocal](graph, base)
            return made
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
    return made if made is not None else choose(graph, always(graph, base), scalar(graph, 1, base), base)


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
