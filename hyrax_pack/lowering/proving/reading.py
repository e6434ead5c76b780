"""What can be read off the text: its numbers (where -999 is treated apart, -999 must be tried) and its return."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

MAX_LITERALS = 24


def literals_of(text: str) -> tuple[float, ...]:
    """Return the numbers of a text, of either sign, each once, in the order in which they stand."""
    found: dict[float, None] = {}
    for node in ast.walk(ast.parse(text)):
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            found |= {value: None, -value: None}
    return tuple(found)[:MAX_LITERALS]


def line_of_return(text: str) -> int | None:
    """Return the line in which `to_tensor` returns; None where there are several."""
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    body = next(function for function in functions if function.name == "to_tensor").body
    lines = [node.lineno for statement in body for node in ast.walk(statement) if isinstance(node, ast.Return)]
    return lines[0] if len(lines) == 1 else None


def near_literals(literals: tuple[float, ...], dtype: Any) -> list[Any]:
    """Return the numbers as values of a dtype, and those next to each: what is left out and what is just let in."""
    dtype = np.dtype(dtype)
    if dtype == np.bool_:
        return []
    if dtype.kind == "f":
        exact = [dtype.type(number) for number in literals if abs(number) < np.finfo(dtype).max]
        near = [np.nextafter(one, dtype.type(side)) for one in exact for side in (-np.inf, np.inf)]
        beyond = [dtype.type(one + step) for one in exact for step in (-1, 1)]
        return list(dict.fromkeys([*exact, *near, *beyond]))
    limits = np.iinfo(dtype)
    numbers = [int(number) + step for step in (0, -1, 1) for number in literals if abs(number) < 2.0**63]
    return [dtype.type(number) for number in dict.fromkeys(numbers) if limits.min <= number <= limits.max]
