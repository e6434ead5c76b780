"""Where a function takes things in the order of a set: it differs from process to process, and is right by chance.

A lint; where nobody sees that something is a set, `adverse_sets` finds out by running it.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence

# Calls whose result keeps the order of their first argument.
_IN_ORDER = frozenset(
    {
        "array", "asarray", "concatenate", "deque", "enumerate", "extend", "fromiter", "fromkeys", "hstack", "iter",
        "join", "list", "stack", "tuple", "vstack", "zip",
    }
)  # fmt: skip
_OF_THE_SECOND = frozenset({"filter", "map", "reduce"})
# Calls whose result is the same in any order; with a key, what is equal by it keeps its order.
_IN_NO_ORDER = frozenset({"Counter", "all", "any", "frozenset", "fsum", "len", "max", "min", "set", "sorted"})
_BY_KEY = frozenset({"max", "min", "sorted"})
_GIVING_SETS = frozenset({"copy", "difference", "intersection", "symmetric_difference", "union"})
_ALGEBRA = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Sub)


def names_of_sets(function: ast.AST) -> set[str]:
    """The names that stand for sets wherever they are bound."""
    values: dict[str, list[ast.expr | None]] = {}
    for name, value in _bindings(function):
        values.setdefault(name, []).append(value)
    found: set[str] = set()
    while more := {
        name for name, given in values.items() if name not in found and all(_is_set(value, found) for value in given)
    }:
        found |= more
    return found


def order_of_a_set(node: ast.AST, within: Sequence[ast.AST], sets: Collection[str]) -> str | None:
    """What is wrong where a node takes a set in order, with the cure; None where it does not.

    Parameters
    ----------
    node : ast.AST
        Part of the function.
    within : sequence of ast.AST
        What stands around it, outermost first.
    sets : collection of str
        Names of sets.
    """
    for taken in _taken_in_order(node, within):
        if _is_set(taken, sets):
            return f"the order of a set differs from run to run; sort it: sorted({_short(taken)})"
    return None


def _taken_in_order(node: ast.AST, within: Sequence[ast.AST]) -> Iterator[ast.expr]:
    if isinstance(node, ast.For | ast.Starred):
        yield node.iter if isinstance(node, ast.For) else node.value
    elif isinstance(node, ast.comprehension) and not _is_taken_in_no_order(within):
        yield node.iter
    elif isinstance(node, ast.Assign) and any(isinstance(target, ast.Tuple | ast.List) for target in node.targets):
        yield node.value
    elif isinstance(node, ast.Call):
        called = _called(node)
        if called in _IN_ORDER or (called in _BY_KEY and _has_key(node)):
            yield from node.args[:1]
        elif called in _OF_THE_SECOND:
            yield from node.args[1:2]
        elif called == "pop" and isinstance(node.func, ast.Attribute) and not node.args:
            yield node.func.value


def _is_taken_in_no_order(within: Sequence[ast.AST]) -> bool:
    """Whether the comprehension around a loop goes into a set, or into a call for which order is nothing."""
    if isinstance(within[-1], ast.SetComp):
        return True
    around = within[-2] if len(within) > 1 else None
    if not (isinstance(around, ast.Call) and around.args[:1] == [within[-1]]):
        return False
    called, made = _called(around), within[-1]
    if called == "sum" and isinstance(made, ast.GeneratorExp | ast.ListComp):
        return isinstance(made.elt, ast.Constant)
    return called in _IN_NO_ORDER and not _has_key(around)


def _is_set(node: ast.expr | None, sets: Collection[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Name):
        return node.id in sets
    if isinstance(node, ast.BinOp) and isinstance(node.op, _ALGEBRA):
        return any(_is_set(side, sets) or _is_keys(side) for side in (node.left, node.right))
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name):
            return node.func.id in ("set", "frozenset")
        return (
            isinstance(node.func, ast.Attribute) and node.func.attr in _GIVING_SETS and _is_set(node.func.value, sets)
        )
    return False


def _is_keys(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _called(node) == "keys" and not node.args


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def _has_key(node: ast.Call) -> bool:
    return any(each.arg == "key" for each in node.keywords)


def _bindings(function: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Each binding of a name with what it is bound to, where that is a plain assignment."""
    plain: set[int] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            yield node.arg, None
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    plain.add(id(target))
                    yield target.id, node.value
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            plain.add(id(node.target))  # a set that grows is a set
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and id(node) not in plain:
            yield node.id, None


def _short(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 50 else "..."
