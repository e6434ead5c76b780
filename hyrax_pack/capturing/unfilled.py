"""Results that are memory which nobody has filled: `np.empty` where a rare row fills nothing, `where=` without `out=`.

What such memory holds is a matter of chance: zero in a fresh process, and often what the function itself has just
computed. So the text is run with memory of our own making, which holds one pattern and then another, on ordinary rows
and on such as have rare values.

Runs in the fresh process (see hyrax_pack.capturing.fresh_process): numpy and the runtime are there.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from hyrax_runtime.input_guard import copy_input

from hyrax_pack.capturing.extreme_company import Company, attempts, with_changed_ends
from hyrax_pack.capturing.extremes import literals_of
from hyrax_pack.capturing.rounding import Slots

_MAKE = "hyrax_unfilled"
_EMPTY = frozenset({"empty", "empty_like", "ndarray"})
_PATTERNS = (0x00, 0x7D)


class Unfilled:
    """A text whose unfilled memory holds what we choose.

    Attributes
    ----------
    text : str
    asks : bool
        Whether the text ever asks for such memory.
    """

    def __init__(self, text: str) -> None:
        tree = ast.parse(text)
        making = _Making(_names_of_empty(tree))
        self.text = ast.unparse(ast.fix_missing_locations(making.visit(tree)))
        self.asks = making.found
        self._pattern = 0

    def compile(self, compile_function: Callable[[str], Any]) -> Any:
        """Give the function of the changed text."""
        function = compile_function(self.text)
        getattr(function, "__wrapped__", function).__globals__[_MAKE] = self._make
        return function

    def find(
        self, call: Callable[[dict[str, Any], int], Slots | None], company: Company, *, read: Collection[str]
    ) -> str | None:
        """Say for which rows the result holds unfilled memory; None where it never does.

        `call` runs the function that `compile` gave; the other parameters are those of
        `extreme_company.find_coupling`.
        """
        if self._shows(call, company.together, company.rows):
            return "the result holds"
        for attempt in attempts(company, literals_of(self.text), read):
            changed = with_changed_ends(company.together, attempt, company.rows)
            if changed is not None and self._shows(call, changed, company.rows):
                return f"where one row is {attempt.words}, the result holds"
        return None

    def _shows(self, call: Callable[[dict[str, Any], int], Slots | None], given: dict[str, Any], rows: int) -> bool:
        results = []
        for self._pattern in _PATTERNS:
            slots = call(copy_input(given), rows)
            if slots is None:
                return False
            results.append([b"" if slot is None else slot.tobytes() for slot in slots])
        return results[0] != results[1]

    def _make(self, function: Any, *arguments: Any, **settings: Any) -> Any:
        made = function(*arguments, **settings)
        plain = function is np.empty or function is np.empty_like
        if plain or (function is np.ndarray and len(arguments) < 3 and "buffer" not in settings):
            self._fill(made, ...)
        elif isinstance(function, np.ufunc) and "where" in settings and settings.get("out") is None:
            for each in made if isinstance(made, tuple) else (made,):
                if isinstance(each, np.ndarray):
                    self._fill(each, ~np.broadcast_to(np.asarray(settings["where"], bool), each.shape))
        return made

    def _fill(self, array: Any, where: Any) -> None:
        if array.dtype.kind in "biufcmM":
            pattern = min(self._pattern, 1) if array.dtype.kind == "b" else self._pattern
            array[where] = np.frombuffer(bytes([pattern]) * array.dtype.itemsize, array.dtype)[0]


def _names_of_empty(tree: ast.Module) -> set[str]:
    """What `np.empty` and its like are called, as after `from numpy import empty as make`."""
    names = set(_EMPTY)
    for node in ast.walk(tree):
        if isinstance(node, ast.alias) and node.name in _EMPTY and node.asname:
            names.add(node.asname)
        elif isinstance(node, ast.Assign) and getattr(node.value, "attr", "") in _EMPTY:
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


class _Making(ast.NodeTransformer):
    """Puts our call in the place of each that gives unfilled memory."""

    def __init__(self, names: Collection[str]) -> None:
        self.found = False
        self._names = names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        self.generic_visit(node)
        if called not in self._names and not any(each.arg == "where" for each in node.keywords):
            return node
        self.found = True
        return ast.Call(ast.Name(_MAKE, ast.Load()), [node.func, *node.args], node.keywords)
