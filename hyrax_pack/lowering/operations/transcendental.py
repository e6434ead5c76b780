"""Exponentials, logarithms, trigonometric and hyperbolic functions.

ONNX has no expm1, log1p, log2, log10, atan2 or hypot, and onnxruntime computes tan, the inverse and the hyperbolic
functions for float32 only (and asinh forty times slower than numpy). What is missing is put together from what there
is, without losing digits near zero or overflowing early.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hyrax_pack.lowering.graph.building import Graph, Value
from hyrax_pack.lowering.operations.arithmetic import (
    binary,
    choose,
    clip,
    compare,
    either,
    is_infinite,
    is_negative,
    logic,
    negate,
    scalar,
    unary,
    with_sign_of,
)
from hyrax_pack.lowering.operations.casting import FLOAT64, plain_cast


def log1p(graph: Graph, x: Value) -> Value:
    """Return log(1 + x), with what 1 + x rounds away added back.

    The correction is that of a clipped x, which is finite, and zero where 1 + x is exact: so infinities and -1 need no
    choosing between values, which costs onnxruntime more than everything else here.
    """
    one = scalar(graph, 1, x)
    plain = unary(graph, "Log", binary(graph, "Add", x, one))
    held = clip(graph, x, -0.5, 1e8)
    u = binary(graph, "Add", held, one)
    lost = binary(graph, "Sub", held, binary(graph, "Sub", u, one))
    return binary(graph, "Add", plain, binary(graph, "Div", lost, u))


def expm1(graph: Graph, x: Value) -> Value:
    """Return exp(x) - 1 without losing the digits of a small x (Kahan)."""
    one = scalar(graph, 1, x)
    u = unary(graph, "Exp", x)
    step = binary(graph, "Sub", u, one)
    value = binary(graph, "Mul", step, binary(graph, "Div", x, unary(graph, "Log", u)))
    far = compare(graph, "GreaterOrEqual", unary(graph, "Abs", x), one)
    value = choose(graph, far, step, value)
    return choose(graph, compare(graph, "Equal", u, one), x, value)


def log_of_base(graph: Graph, x: Value, base: float) -> Value:
    """Return the logarithm to a base."""
    return binary(graph, "Mul", unary(graph, "Log", x), scalar(graph, 1 / math.log(base), x))


def exp2(graph: Graph, x: Value) -> Value:
    """Return 2 to the power of x."""
    return binary(graph, "Pow", scalar(graph, 2, x), x)


def cbrt(graph: Graph, x: Value) -> Value:
    """Return the cube root, which is negative for negative numbers."""
    size = unary(graph, "Abs", x)
    return with_sign_of(graph, binary(graph, "Pow", size, scalar(graph, 1 / 3, x)), x)


def cos(graph: Graph, x: Value) -> Value:
    """Return the cosine; not every runtime has it for float64, and there it is made of sines.

    Up to half a turn from the sine of what is left to a quarter turn, which is exact to the last digit also where the
    cosine is zero; beyond that from the sine of the half.
    """
    if x.dtype != FLOAT64:
        return unary(graph, "Cos", x)
    size = unary(graph, "Abs", x)
    rest = binary(graph, "Sub", scalar(graph, math.pi / 2, x), size)
    near = unary(graph, "Sin", binary(graph, "Add", rest, scalar(graph, _QUARTER_TURN_REST, x)))
    half = unary(graph, "Sin", binary(graph, "Mul", x, scalar(graph, 0.5, x)))
    square = binary(graph, "Mul", half, half)
    far = binary(graph, "Sub", scalar(graph, 1, x), binary(graph, "Add", square, square))
    return choose(graph, compare(graph, "Less", size, scalar(graph, 3.2, x)), near, far)


def tan(graph: Graph, x: Value) -> Value:
    """Return the tangent."""
    if x.dtype != FLOAT64:
        return unary(graph, "Tan", x)
    return binary(graph, "Div", unary(graph, "Sin", x), cos(graph, x))


def arctan(graph: Graph, x: Value) -> Value:
    """Return the inverse tangent; for float64 by Cephes' rational approximation."""
    if x.dtype != FLOAT64:
        return unary(graph, "Atan", x)
    size = unary(graph, "Abs", x)
    one = scalar(graph, 1, x)
    large = compare(graph, "Greater", size, scalar(graph, 2.414213562373095048802, x))
    middle = logic(graph, "And", compare(graph, "Greater", size, scalar(graph, 0.66, x)), negate(graph, large))
    far = binary(graph, "Div", scalar(graph, -1, x), choose(graph, large, size, one))
    near = binary(graph, "Div", binary(graph, "Sub", size, one), binary(graph, "Add", size, one))
    t = choose(graph, large, far, choose(graph, middle, near, size))
    offset = choose(graph, large, scalar(graph, math.pi / 2, x), scalar(graph, math.pi / 4, x))
    offset = choose(graph, either(graph, large, middle), offset, scalar(graph, 0, x))
    z = binary(graph, "Mul", t, t)
    ratio = binary(graph, "Div", _polynomial(graph, z, _ATAN_P), _polynomial(graph, z, _ATAN_Q))
    curve = binary(graph, "Add", binary(graph, "Mul", t, binary(graph, "Mul", z, ratio)), t)
    return with_sign_kept(graph, binary(graph, "Add", offset, curve), x)


def arcsin(graph: Graph, x: Value) -> Value:
    """Return the inverse sine."""
    if x.dtype != FLOAT64:
        return unary(graph, "Asin", x)
    one = scalar(graph, 1, x)
    rest = binary(graph, "Mul", binary(graph, "Sub", one, x), binary(graph, "Add", one, x))
    return arctan(graph, binary(graph, "Div", x, unary(graph, "Sqrt", rest)))


def arccos(graph: Graph, x: Value) -> Value:
    """Return the inverse cosine; near 1 as twice the angle of half the sides."""
    if x.dtype != FLOAT64:
        return unary(graph, "Acos", x)
    one = scalar(graph, 1, x)
    high = unary(graph, "Sqrt", binary(graph, "Sub", one, x))
    low = unary(graph, "Sqrt", binary(graph, "Add", one, x))
    return binary(graph, "Mul", scalar(graph, 2, x), arctan(graph, binary(graph, "Div", high, low)))


def arctan2(graph: Graph, y: Value, x: Value) -> Value:
    """Return the angle of the point (x, y), with the signs of zeros and infinities as C has them."""
    width, height = unary(graph, "Abs", x), unary(graph, "Abs", y)
    low, high = binary(graph, "Min", width, height), binary(graph, "Max", width, height)
    origin = compare(graph, "Equal", high, scalar(graph, 0, high))
    both = logic(graph, "And", is_infinite(graph, x), is_infinite(graph, y))
    ratio = binary(graph, "Div", low, choose(graph, origin, scalar(graph, 1, high), high))
    angle = arctan(graph, choose(graph, both, scalar(graph, 1, ratio), ratio))
    steep = compare(graph, "Greater", height, width)
    angle = choose(graph, steep, binary(graph, "Sub", scalar(graph, math.pi / 2, angle), angle), angle)
    left = is_negative(graph, x)
    angle = choose(graph, left, binary(graph, "Sub", scalar(graph, math.pi, angle), angle), angle)
    return choose(graph, is_negative(graph, y), unary(graph, "Neg", angle), angle)


def hypot(graph: Graph, x: Value, y: Value) -> Value:
    """Return the length of (x, y) without overflowing early; an infinite side wins over a NaN."""
    if x.dtype == FLOAT64:
        a, b = unary(graph, "Abs", x), unary(graph, "Abs", y)
        low, high = binary(graph, "Min", a, b), binary(graph, "Max", a, b)
        origin = compare(graph, "Equal", high, scalar(graph, 0, high))
        ratio = binary(graph, "Div", low, choose(graph, origin, scalar(graph, 1, high), high))
        root = unary(graph, "Sqrt", binary(graph, "Add", binary(graph, "Mul", ratio, ratio), scalar(graph, 1, ratio)))
        length = binary(graph, "Mul", high, root)
    else:
        a, b = plain_cast(graph, x, FLOAT64), plain_cast(graph, y, FLOAT64)
        squares = binary(graph, "Add", binary(graph, "Mul", a, a), binary(graph, "Mul", b, b))
        length = plain_cast(graph, unary(graph, "Sqrt", squares), x.dtype)
    endless = either(graph, is_infinite(graph, x), is_infinite(graph, y))
    return choose(graph, endless, scalar(graph, math.inf, length), length)


def sinh(graph: Graph, x: Value) -> Value:
    """Return the hyperbolic sine."""
    if x.dtype != FLOAT64:
        return unary(graph, "Sinh", x)
    size = unary(graph, "Abs", x)
    one = scalar(graph, 1, x)
    grown = expm1(graph, size)
    near = binary(graph, "Add", grown, binary(graph, "Div", grown, binary(graph, "Add", grown, one)))
    near = binary(graph, "Mul", near, scalar(graph, 0.5, x))
    value = choose(graph, compare(graph, "Greater", size, scalar(graph, 22, x)), _half_of_exp(graph, size), near)
    return with_sign_kept(graph, value, x)


def cosh(graph: Graph, x: Value) -> Value:
    """Return the hyperbolic cosine."""
    if x.dtype != FLOAT64:
        return unary(graph, "Cosh", x)
    size = unary(graph, "Abs", x)
    grown = unary(graph, "Exp", size)
    near = binary(graph, "Add", grown, binary(graph, "Div", scalar(graph, 1, x), grown))
    near = binary(graph, "Mul", near, scalar(graph, 0.5, x))
    return choose(graph, compare(graph, "Greater", size, scalar(graph, 22, x)), _half_of_exp(graph, size), near)


def _half_of_exp(graph: Graph, x: Value) -> Value:
    """Return exp(x) / 2 without overflowing where exp(x) just does."""
    root = unary(graph, "Exp", binary(graph, "Mul", x, scalar(graph, 0.5, x)))
    return binary(graph, "Mul", binary(graph, "Mul", root, scalar(graph, 0.5, x)), root)


def arcsinh(graph: Graph, x: Value) -> Value:
    """Return the inverse hyperbolic sine: log1p(a + a^2 / (1 + sqrt(1 + a^2))), scaled down where that overflows."""
    size = unary(graph, "Abs", x)
    one = scalar(graph, 1, x)
    held = binary(graph, "Min", size, scalar(graph, _SQUARABLE, x))
    root = unary(graph, "Sqrt", binary(graph, "Add", binary(graph, "Mul", held, held), one))
    share = binary(graph, "Div", held, binary(graph, "Add", root, one))
    # 0, and 1 for the last few sizes before infinity: those are divided by four, and log(4) is added
    edge = scalar(graph, float(np.finfo(x.dtype).max) / 64, x)
    far = clip(graph, binary(graph, "Sub", size, edge), 0.0, 1.0)
    scaled = binary(graph, "Mul", size, binary(graph, "Sub", one, binary(graph, "Mul", far, scalar(graph, 0.75, x))))
    value = log1p(graph, binary(graph, "Add", binary(graph, "Mul", scaled, share), scaled))
    value = binary(graph, "Add", value, binary(graph, "Mul", far, scalar(graph, math.log(4), x)))
    return binary(graph, "Mul", value, sign_factor(graph, x))


def sign_factor(graph: Graph, x: Value) -> Value:
    """Return -1, 0 or 1: the sign without comparing, quicker in onnxruntime than `Sign` by a factor of five."""
    large = scalar(graph, 2.0**126 if x.dtype != FLOAT64 else 2.0**1022, x)
    once = clip(graph, binary(graph, "Mul", x, large), -1.0, 1.0)
    return clip(graph, binary(graph, "Mul", once, large), -1.0, 1.0)


def arccosh(graph: Graph, x: Value) -> Value:
    """Return the inverse hyperbolic cosine, NaN below 1."""
    if x.dtype != FLOAT64:
        return unary(graph, "Acosh", x)
    one = scalar(graph, 1, x)
    large = compare(graph, "Greater", x, scalar(graph, 1e8, x))
    step = binary(graph, "Sub", choose(graph, large, one, x), one)
    root = unary(graph, "Sqrt", binary(graph, "Mul", step, binary(graph, "Add", step, scalar(graph, 2, x))))
    inner = choose(graph, large, binary(graph, "Sub", x, one), binary(graph, "Add", step, root))
    value = log1p(graph, inner)
    value = choose(graph, large, binary(graph, "Add", value, scalar(graph, math.log(2), x)), value)
    return choose(graph, compare(graph, "Less", x, one), scalar(graph, math.nan, x), value)


def arctanh(graph: Graph, x: Value) -> Value:
    """Return the inverse hyperbolic tangent: half of log1p(2x / (1 - x))."""
    if x.dtype != FLOAT64:
        return unary(graph, "Atanh", x)
    size = unary(graph, "Abs", x)
    one = scalar(graph, 1, x)
    ratio = binary(graph, "Div", binary(graph, "Add", size, size), binary(graph, "Sub", one, size))
    value = binary(graph, "Mul", log1p(graph, ratio), scalar(graph, 0.5, x))
    return with_sign_kept(graph, value, x)


def logaddexp(graph: Graph, x: Value, y: Value) -> Value:
    """Return log(exp(x) + exp(y)); equal operands, infinities among them, are handled apart."""
    apart = unary(graph, "Abs", binary(graph, "Sub", x, y))
    high = binary(graph, "Max", x, y)
    value = binary(graph, "Add", high, log1p(graph, unary(graph, "Exp", unary(graph, "Neg", apart))))
    alike = binary(graph, "Add", x, scalar(graph, math.log(2), x))
    return choose(graph, compare(graph, "Equal", x, y), alike, value)


def with_sign_kept(graph: Graph, value: Value, sign: Value) -> Value:
    """Return a value of non-negative (or NaN) numbers with the sign of another; zero takes the other's zero."""
    below = compare(graph, "Less", sign, scalar(graph, 0, sign))
    signed = choose(graph, below, unary(graph, "Neg", value), value)
    return choose(graph, compare(graph, "Equal", sign, scalar(graph, 0, sign)), sign, signed)


def _polynomial(graph: Graph, x: Value, coefficients: Sequence[float]) -> Value:
    """Evaluate a polynomial, highest power first."""
    made = scalar(graph, coefficients[0], x)
    for coefficient in coefficients[1:]:
        made = binary(graph, "Add", binary(graph, "Mul", made, x), scalar(graph, coefficient, x))
    return made


_SQUARABLE = 1e18  # its square is finite in float32 as well
_QUARTER_TURN_REST = 6.123233995736766e-17  # of pi / 2 beyond its double

# S. Moshier, Cephes Math Library 2.8, atan.c
_ATAN_P = (
    -8.750608600031904122785e-1,
    -1.615753718733365076637e1,
    -7.500855792314704667340e1,
    -1.228866684490136173410e2,
    -6.485021904942025371773e1,
)
_ATAN_Q = (
    1.0,
    2.485846490142306297962e1,
    1.650270098316988542046e2,
    4.328810604912902668951e2,
    4.853903996359136964868e2,
    1.945506571482613964425e2,
)
