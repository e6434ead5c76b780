"""The text with its sets in an order of our choice, to see whether it depends on one.

Two hash seeds leave a set of two names in the same order half of the time. So each set that the text makes is put once
into ascending and once into descending order.

Runs in the fresh process (see hyrax_pack.capturing.fresh_process): only the standard library is there.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_MAKE = "hyrax_adverse_set"
_OPERATORS = ("and", "or", "sub", "xor")
_METHODS = ("copy", "difference", "intersection", "symmetric_difference", "union")


class Sets:
    """The sets of a text: where they are made, and in which order each stands.

    Attributes
    ----------
    places : list of (int, str)
        Line and source of each place where the text makes a set.
    text : str
        The text, its sets made by us.
    orders : list of (bool or None)
        By place: descending or not; None leaves the set as it is.
    """

    def __init__(self, text: str) -> None:
        self.places: list[tuple[int, str]] = []
        self.text = ast.unparse(ast.fix_missing_locations(_Making(self.places).visit(ast.parse(text))))
        self.orders: list[bool | None] = [None] * len(self.places)

    def compile(self, compile_function: Callable[[str], Any]) -> Any:
        """Give the function of the changed text."""
        function = compile_function(self.text)
        getattr(function, "__wrapped__", function).__globals__[_MAKE] = self._make
        return function

    def put(self, descending: bool | None, only: int | None = None) -> None:
        """Choose the order of all sets, or of those of one place alone."""
        self.orders = [descending if only in (None, place) else None for place in range(len(self.places))]

    def _make(self, place: int, kind: type, *items: Iterable[Any]) -> Any:
        made = _Frozen(*items) if kind is frozenset else _Set(*items)
        made.descending = self.orders[place]
        return made


class _Making(ast.NodeTransformer):
    """Puts our call in the place of each display, comprehension and call that makes a set."""

    def __init__(self, places: list[tuple[int, str]]) -> None:
        self._places = places

    def visit_Set(self, node: ast.Set) -> ast.AST:
        place = self._place(node)
        return self._call(place, "set", [ast.List([self.visit(item) for item in node.elts], ast.Load())])

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        place = self._place(node)
        made = self.generic_visit(node)
        assert isinstance(made, ast.SetComp)
        return self._call(place, "set", [ast.GeneratorExp(made.elt, made.generators)])

    def visit_Call(self, node: ast.Call) -> ast.AST:
        kind = node.func.id if isinstance(node.func, ast.Name) else ""
        if kind not in ("set", "frozenset"):
            return self.generic_visit(node)
        place = self._place(node)
        return self._call(place, kind, [self.visit(item) for item in node.args])

    def _place(self, node: ast.expr) -> int:
        self._places.append((node.lineno, ast.unparse(node)))
        return len(self._places) - 1

    def _call(self, place: int, kind: str, items: list[Any]) -> ast.Call:
        name = ast.Name(kind, ast.Load())
        return ast.Call(ast.Name(_MAKE, ast.Load()), [ast.Constant(place), name, *items], [])


def _in_order(of: Any, items: Iterator[Any]) -> Iterator[Any]:
    if of.descending is None:
        return items
    return iter(sorted(items, key=lambda item: (str(type(item)), repr(item)), reverse=of.descending))


class _Set(set[Any]):
    descending: bool | None = None

    def __iter__(self) -> Iterator[Any]:
        return _in_order(self, super().__iter__())

    def pop(self) -> Any:
        if not self:
            return super().pop()
        item = next(iter(self))
        self.remove(item)
        return item


class _Frozen(frozenset[Any]):
    descending: bool | None = None

    def __iter__(self) -> Iterator[Any]:
        return _in_order(self, super().__iter__())


def _keeping(cls: type, name: str) -> Callable[..., Any]:
    """A method whose result stands in the order of the set that it was asked of."""
    plain = getattr(cls.__mro__[1], name)

    def method(self: Any, *others: Any) -> Any:
        found = plain(self, *others)
        if found is NotImplemented:
            return found
        made = cls(found)
        made.descending = self.descending
        return made

    return method


for _cls in (_Set, _Frozen):
    for _name in (*_METHODS, *(f"__{side}{operator}__" for side in ("", "r") for operator in _OPERATORS)):
        setattr(_cls, _name, _keeping(_cls, _name))
