"""What can be read off the text: its numbers (where -999 is treated apart, -999 must be tried) and its return."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

Number = int | float

MAX_LITERALS = 64
_LARGEST = 1 << 64
_CALCULATED: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitOr: operator.or_,
}
_GROWING: dict[type[ast.AST], Callable[[Any, Any], Any]] = {ast.Pow: operator.pow, ast.LShift: operator.lshift}


def literals_of(text: str) -> tuple[Number, ...]:
    """Return the numbers of a text, of either sign, each once: those that are compared with first, then all others.

    Examples
    --------
    >>> literals_of("y = x * 3 if x == 10**6 + 1 else 0")
    (1000001, -1000001, 10, -10, 6, -6, 1, -1, 3, -3, 0)
    """
    tree = ast.parse(text)
    compared = [part for node in ast.walk(tree) if isinstance(node, ast.Compare) for part in ast.walk(node)]
    found: dict[Number, None] = {}
    for node in [*compared, *ast.walk(tree)]:
        value = _number(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isdecimal():
            value = int(node.value)  # of which the text of a number is asked
        if value is not None and abs(value) < _LARGEST:
            found |= {value: None, -value: None}
    return tuple(found)[:MAX_LITERALS]


def _number(node: ast.AST) -> Number | None:
    """Return the number that an expression of constants is; None for any other."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value if math.isfinite(node.value) else None  # type: ignore[arg-type, return-value]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("int", "float"):
        return _parsed(node)
    if isinstance(node, ast.BinOp):
        left, right = _number(node.left), _number(node.right)
        if left is not None and right is not None:
            return _calculated(type(node.op), left, right)
    return None


def _parsed(node: ast.Call) -> Number | None:
    given = node.args[0] if len(node.args) == 1 and not node.keywords else None
    if not isinstance(given, ast.Constant) or not isinstance(given.value, str):
        return None
    try:
        made = float(given.value) if isinstance(node.func, ast.Name) and node.func.id == "float" else int(given.value)
    except ValueError:
        return None
    return made if math.isfinite(made) else None


def _calculated(kind: type[ast.AST], left: Number, right: Number) -> Number | None:
    function = _CALCULATED.get(kind)
    if kind in _GROWING and 0 <= right <= 64 and abs(left) < 1 << 20:
        function = _GROWING[kind]
    try:
        made = None if function is None else function(left, right)
    except (ArithmeticError, TypeError):
        return None
    return made if isinstance(made, int | float) and math.isfinite(made) else None


def line_of_return(text: str) -> int | None:
    """Return the line in which `to_tensor` returns; None where there are several."""
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    body = next(function for function in functions if function.name == "to_tensor").body
    lines = [node.lineno for statement in body for node in ast.walk(statement) if isinstance(node, ast.Return)]
    return lines[0] if len(lines) == 1 else None


def near_literals(literals: Iterable[Number], dtype: Any) -> list[Any]:
    """Return the numbers as values of a dtype, and those next to each: what is left out and what is just let in."""
    dtype, literals = np.dtype(dtype), list(literals)
    if dtype == np.bool_:
        return []
    if dtype.kind == "f":
        exact = [dtype.type(number) for number in literals if abs(number) < np.finfo(dtype).max]
        near = [np.nextafter(one, dtype.type(side)) for one in exact for side in (-np.inf, np.inf)]
        beyond = [dtype.type(one + step) for one in exact for step in (-1, 1)]
        return list(dict.fromkeys([*exact, *near, *beyond]))
    limits = np.iinfo(dtype)
    numbers = [int(number) + step for step in (0, -1, 1) for number in literals]
    return [dtype.type(number) for number in dict.fromkeys(numbers) if limits.min <= number <= limits.max]
