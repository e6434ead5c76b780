"""Floor division, remainders and shifts.

Integer division by zero is 0 in numpy and an error or a crash in onnxruntime; so is the least integer divided by -1.
For floats numpy's own steps (npy_divmod) are repeated, so that infinities and signed zeros come out alike.
"""

from __future__ import annotations

import numpy as np

from hyrax_pack.lowering.graph.building import Graph, Value, broadcast_shape
from hyrax_pack.lowering.graph.ranges import note_division
from hyrax_pack.lowering.operations.arithmetic import (
    binary,
    choose,
    compare,
    either,
    logic,
    negate,
    scalar,
    unary,
    with_sign_of,
)
from hyrax_pack.lowering.operations.casting import carrier, plain_cast


def floor_divide(graph: Graph, left: Value, right: Value) -> Value:
    """Return numpy's `left // right`."""
    return divide_with_rest(graph, left, right)[0]


def remainder(graph: Graph, left: Value, right: Value) -> Value:
    """Return numpy's `left % right`: the sign is that of the divisor."""
    return divide_with_rest(graph, left, right)[1]


def divide_with_rest(graph: Graph, left: Value, right: Value) -> tuple[Value, Value]:
    """Return numpy's `divmod(left, right)`."""
    if left.dtype.kind == "f":
        a, b = (plain_cast(graph, one, carrier(one.dtype)) for one in (left, right))
        quotient, rest = _divide_floats(graph, a, b)
    else:
        quotient, rest = _divide_ints(graph, left, right)
    made = plain_cast(graph, quotient, left.dtype), plain_cast(graph, rest, left.dtype)
    note_division(graph, left, right, *made)
    return made


def rest_towards_zero(graph: Graph, left: Value, right: Value) -> Value:
    """Return C's `fmod`: the sign is that of the dividend; an integer divisor of 0 gives 0."""
    if left.dtype.kind == "f":
        return _float_rest(graph, left, right)
    a, b = (plain_cast(graph, one, carrier(one.dtype)) for one in (left, right))
    zero, _, safe = _safe_divisor(graph, b)
    rest = _rest_of(graph, a, binary(graph, "Div", a, safe), safe)
    if zero is not None:
        rest = choose(graph, zero, _like(graph, rest, 0), rest)
    return plain_cast(graph, rest, left.dtype)


def shift_right(graph: Graph, value: Value, places: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Value:
    """Return `value >> places` for places known while the graph is built: division by a power of two, rounded down."""
    bits = value.dtype.itemsize * 8
    held = np.minimum(places, 62 if bits == 64 else 31 if bits == 32 and value.dtype.kind == "u" else bits - 1)
    wide = np.dtype(np.int64)
    divisor = graph.constant(np.left_shift(np.int64(1), held))
    quotient, _ = _divide_ints(graph, plain_cast(graph, value, wide), divisor)
    if (places >= bits).any() and value.dtype.kind == "u":
        gone = graph.constant(places >= bits)
        quotient = choose(graph, gone, _like(graph, quotient, 0), quotient)
    return plain_cast(graph, quotient, value.dtype)


def _divide_ints(graph: Graph, left: Value, right: Value) -> tuple[Value, Value]:
    a, b = (plain_cast(graph, one, carrier(one.dtype)) for one in (left, right))
    zero, minus_one, safe = _safe_divisor(graph, b)
    quotient = binary(graph, "Div", a, safe)
    rest = _rest_of(graph, a, quotient, safe)
    if a.dtype.kind == "i":
        quotient, rest = _round_down(graph, quotient, rest, safe)
    nothing = _like(graph, rest, 0)
    if minus_one is not None:
        quotient = choose(graph, minus_one, binary(graph, "Sub", scalar(graph, 0, a), a), quotient)
    if zero is not None:
        quotient = choose(graph, zero, nothing, quotient)
        rest = choose(graph, zero, nothing, rest)
    return quotient, rest


def _round_down(graph: Graph, quotient: Value, rest: Value, divisor: Value) -> tuple[Value, Value]:
    """Turn division towards zero into division downwards."""
    zero = scalar(graph, 0, rest)
    apart = logic(
        graph, "Xor", compare(graph, "Less", rest, zero), compare(graph, "Less", divisor, scalar(graph, 0, divisor))
    )
    too_high = logic(graph, "And", apart, negate(graph, compare(graph, "Equal", rest, zero)))
    quotient = binary(graph, "Sub", quotient, plain_cast(graph, too_high, quotient.dtype))
    return quotient, choose(graph, too_high, binary(graph, "Add", rest, divisor), rest)


def _safe_divisor(graph: Graph, divisor: Value) -> tuple[Value | None, Value | None, Value]:
    """Return where the divisor is 0, where it is -1 (both None where it never is), and it with those replaced by 1."""
    zero = minus_one = None
    if divisor.constant is None or (divisor.constant == 0).any():
        zero = compare(graph, "Equal", divisor, scalar(graph, 0, divisor))
    if divisor.dtype.kind == "i" and (divisor.constant is None or (divisor.constant == -1).any()):
        minus_one = compare(graph, "Equal", divisor, scalar(graph, -1, divisor))
    bad = [one for one in (zero, minus_one) if one is not None]
    if not bad:
        return None, None, divisor
    return zero, minus_one, choose(graph, either(graph, *bad), scalar(graph, 1, divisor), divisor)


def _rest_of(graph: Graph, value: Value, quotient: Value, divisor: Value) -> Value:
    return binary(graph, "Sub", value, binary(graph, "Mul", quotient, divisor))


def _divide_floats(graph: Graph, a: Value, b: Value) -> tuple[Value, Value]:
    zero = scalar(graph, 0, b)
    rest = _float_rest(graph, a, b)
    plain = binary(graph, "Div", a, b)
    quotient = binary(graph, "Div", binary(graph, "Sub", a, rest), b)
    # NaN counts as "there is a rest", as in C
    exact = compare(graph, "Equal", rest, zero)
    apart = logic(graph, "Xor", compare(graph, "Less", b, zero), compare(graph, "Less", rest, zero))
    too_high = logic(graph, "And", apart, negate(graph, exact))
    quotient = choose(graph, too_high, binary(graph, "Sub", quotient, scalar(graph, 1, quotient)), quotient)
    adjusted = choose(graph, too_high, binary(graph, "Add", rest, b), rest)
    adjusted = choose(graph, exact, with_sign_of(graph, _like(graph, rest, 0), b), adjusted)
    whole = unary(graph, "Floor", quotient)
    up = compare(graph, "Greater", binary(graph, "Sub", quotient, whole), scalar(graph, 0.5, quotient))
    whole = choose(graph, up, binary(graph, "Add", whole, scalar(graph, 1, whole)), whole)
    none = compare(graph, "Equal", quotient, scalar(graph, 0, quotient))
    whole = choose(graph, none, with_sign_of(graph, _like(graph, whole, 0), plain), whole)
    by_zero = compare(graph, "Equal", b, zero)
    return choose(graph, by_zero, plain, whole), choose(graph, by_zero, rest, adjusted)


def _float_rest(graph: Graph, left: Value, right: Value) -> Value:
    a, b = (plain_cast(graph, one, carrier(one.dtype)) for one in (left, right))
    made = graph.one("Mod", [a, b], a.dtype, broadcast_shape([a.shape, b.shape]), fmod=1)
    return plain_cast(graph, made, left.dtype)


def _like(graph: Graph, value: Value, number: int) -> Value:
    return scalar(graph, number, value)
