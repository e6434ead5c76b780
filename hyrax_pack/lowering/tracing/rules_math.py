"""Python's math module on a number from the data.

math works in double precision and raises where numpy gives NaN or infinity. Only what never raises lowers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from hyrax_pack.lowering.graph.building import Graph, Value
from hyrax_pack.lowering.graph.exactness import mark_inexact
from hyrax_pack.lowering.operations.arithmetic import (
    binary,
    is_finite,
    is_infinite,
    is_nan,
    scalar,
    unary,
    with_sign_of,
)
from hyrax_pack.lowering.operations.casting import FLOAT64, cast
from hyrax_pack.lowering.operations.transcendental import arcsinh, arctan, arctan2, cbrt, hypot
from hyrax_pack.lowering.tracing.arrays import Traced
from hyrax_pack.lowering.tracing.numbers import TracedNumber
from hyrax_pack.lowering.tracing.rule import Rule
from hyrax_pack.lowering.tracing.shadows import quietly

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

Formula = Callable[..., Value]


def _times(number: float) -> Formula:
    return lambda graph, x: binary(graph, "Mul", x, scalar(graph, number, x))


_FORMULAS: dict[Any, Formula] = {
    math.fabs: lambda graph, x: unary(graph, "Abs", x),
    math.atan: arctan,
    math.atan2: arctan2,
    math.tanh: lambda graph, x: unary(graph, "Tanh", x),
    math.asinh: arcsinh,
    math.hypot: hypot,
    math.cbrt: cbrt,
    math.copysign: with_sign_of,
    math.degrees: _times(180 / math.pi),
    math.radians: _times(math.pi / 180),
    math.isnan: is_nan,
    math.isinf: is_infinite,
    math.isfinite: is_finite,
}
# One exact step each.
_PLAIN = frozenset({math.fabs, math.copysign, math.degrees, math.radians, math.isnan, math.isinf, math.isfinite})
_RAISING = {
    math.sqrt: "np.sqrt",
    math.log: "np.log",
    math.log10: "np.log10",
    math.log2: "np.log2",
    math.log1p: "np.log1p",
    math.exp: "np.exp",
    math.expm1: "np.expm1",
    math.pow: "np.power",
    math.sin: "np.sin",
    math.cos: "np.cos",
    math.tan: "np.tan",
    math.asin: "np.arcsin",
    math.acos: "np.arccos",
    math.sinh: "np.sinh",
    math.cosh: "np.cosh",
    math.acosh: "np.arccosh",
    math.atanh: "np.arctanh",
    math.fmod: "np.fmod",
    math.floor: "np.floor",
    math.ceil: "np.ceil",
    math.trunc: "np.trunc",
}


def _lowered(function: Any, formula: Formula) -> Callable[..., Any]:
    def rule(trace: Trace, *values: Any) -> Any:
        if len(values) > 2:
            trace.refuse("more than two numbers", construct=f"math.{function.__name__}", hint="use np.sqrt of a sum")
        numbers = [_number(trace, value, function) for value in values]
        operands = [_double(trace.graph, number) for number in numbers]
        shadows = [
            quietly(function, [one.shadow(at) if isinstance(one, TracedNumber) else one for one in numbers], {})
            for at in (0, 1)
        ]
        value = formula(trace.graph, *operands)
        if function not in _PLAIN:
            mark_inexact(trace.graph, value)
        return TracedNumber(trace, (shadows[0], shadows[1]), value)

    return rule


def _number(trace: Trace, value: Any, function: Any) -> Any:
    return trace.python_number(value, f"math.{function.__name__}") if isinstance(value, Traced) else value


def _double(graph: Graph, number: Any) -> Value:
    if isinstance(number, TracedNumber):
        return cast(graph, number.value, FLOAT64)
    return graph.constant(float(number))


def _refusing(function: Any, instead: str) -> Callable[..., NoReturn]:
    def rule(trace: Trace, *values: Any) -> NoReturn:
        trace.refuse(
            "Python's math raises for some values, which a graph cannot",
            construct=f"math.{function.__name__}",
            hint=f"use {instead}",
        )

    return rule


RULES: dict[Any, Rule] = {
    function: Rule(_lowered(function, formula), is_special=True) for function, formula in _FORMULAS.items()
} | {function: Rule(_refusing(function, instead), is_special=True) for function, instead in _RAISING.items()}
