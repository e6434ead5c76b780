"""The captured text, rewritten so that what Python does by itself passes through the trace.

    f(x)                 ->  __hyrax_call__(f, x)
    a[i]                 ->  __hyrax_subject__(a)[i]
    a is b               ->  __hyrax_same__(a, b)
    [a, b]               ->  __hyrax_list__([a, b])
    for row in rows:     ->  for row in __hyrax_loop__(3, rows):
        last = row               if __hyrax_meets__(3): last = __hyrax_stale__()
                                 last = row
                             if __hyrax_leave__(3): row = last = __hyrax_stale__()
    [f(r) for r in rows] ->  __hyrax_gather__(4, [... for r in __hyrax_loop__(4, rows)])
    try: ...             ->  try: with __hyrax_guard__(): ...

Lines stay what they are.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

CALL, SUBJECT, SAME, LIST = "__hyrax_call__", "__hyrax_subject__", "__hyrax_same__", "__hyrax_list__"
LOOP, MEETS, LEAVE, STALE = "__hyrax_loop__", "__hyrax_meets__", "__hyrax_leave__", "__hyrax_stale__"
GATHER, GATHER_NOW, REFUSE_ROWS, KEEP = "__hyrax_gather__", "__hyrax_now__", "__hyrax_no_rows__", "__hyrax_keep__"
GUARD, HAND_OUT = "__hyrax_guard__", "__hyrax_hand_out__"

# What numpy never raises for the values of its data: catching it hides nothing.
_HARMLESS = frozenset({"KeyError", "AttributeError", "NameError", "ImportError", "ModuleNotFoundError", "TypeError"})
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def rewrite(tree: ast.Module) -> tuple[ast.Module, list[frozenset[str]]]:
    """Return the text as it is traced, and the names that each of its loops binds, by the loop's number."""
    rewriting = _Rewriting()
    module: ast.Module = ast.fix_missing_locations(rewriting.visit(tree))
    return module, rewriting.bound


class _Rewriting(ast.NodeTransformer):
    def __init__(self) -> None:
        self.bound: list[frozenset[str]] = []
        self._arguments: set[int] = set()
        self._fields: set[int] = set()

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Calls are carried out by the trace."""
        self._arguments |= {id(one) for one in node.args if isinstance(one, ast.GeneratorExp)}
        self.generic_visit(node)
        return ast.copy_location(ast.Call(_name(CALL, node), [node.func, *node.args], node.keywords), node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """What is read from is watched."""
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = _call(SUBJECT, [node.value], node)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """The identity of a stand-in is asked of the trace."""
        self.generic_visit(node)
        if not isinstance(node.ops[0], ast.Is | ast.IsNot) or len(node.ops) > 1:
            return node
        made = _call(SAME, [node.left, node.comparators[0]], node)
        return made if isinstance(node.ops[0], ast.Is) else ast.copy_location(ast.UnaryOp(ast.Not(), made), node)

    def visit_List(self, node: ast.List) -> ast.AST:
        """Lists that the text makes are watched."""
        self.generic_visit(node)
        return _call(LIST, [node], node) if isinstance(node.ctx, ast.Load) else node

    def visit_For(self, node: ast.For) -> list[ast.stmt]:
        """What a row binds is stale for the next one, and after the loop."""
        target = frozenset(_bound_by(node.target))
        inner = frozenset(_bound_in(node.body)) - target
        site = self._new_site(inner | target)
        self.generic_visit(node)
        node.iter = _call(LOOP, [_number(site, node.iter), node.iter], node.iter)
        if inner:
            node.body.insert(0, _when(_call(MEETS, [_number(site, node)], node), inner, node))
        return [node, _when(_call(LEAVE, [_number(site, node)], node), self.bound[site], node)]

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        """A list comprehension over the rows makes a list with one entry per row."""
        return self._comprehension(node, GATHER)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        """A generator is walked at once where a call takes it."""
        return self._comprehension(node, GATHER_NOW if id(node) in self._arguments else REFUSE_ROWS)

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        """No sets of rows."""
        return self._comprehension(node, REFUSE_ROWS)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        """No dicts of rows."""
        return self._comprehension(node, REFUSE_ROWS)

    def visit_Try(self, node: ast.Try) -> ast.AST:
        """What is tried may not fail by the values of the data."""
        self.generic_visit(node)
        if not all(map(_is_harmless, node.handlers)):
            item = ast.withitem(_call(GUARD, [], node))
            node.body = [ast.copy_location(ast.With([item], node.body), node.body[0])]
        return node

    def visit_Yield(self, node: ast.Yield) -> ast.AST:
        """Rows are not handed out in the middle of a loop."""
        self.generic_visit(node)
        node.value = _call(HAND_OUT, [node.value or ast.copy_location(ast.Constant(None), node)], node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Annotations are of no use here."""
        node.annotation = None
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """The annotations of a class are its fields (`@dataclass`, `NamedTuple`): they stay."""
        for one in node.body:
            if isinstance(one, ast.AnnAssign):
                self._fields.add(id(one))
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """An annotated assignment is an assignment."""
        if id(node) in self._fields:
            node.value = None if node.value is None else self.visit(node.value)
            return node
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        value = self.visit(node.value)
        return ast.copy_location(ast.Assign([self.visit(node.target)], value), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """What a function returns is seen when it runs."""
        node.returns = None
        self.generic_visit(node)
        return node

    def _comprehension(self, node: ast.expr, hook: str) -> ast.AST:
        assert isinstance(node, _COMPREHENSIONS)
        first = node.generators[0]
        site = self._new_site(frozenset(name for one in node.generators for name in _bound_by(one.target)))
        self.generic_visit(node)
        first.iter = _call(LOOP, [_number(site, first.iter), first.iter], first.iter)
        first.ifs = [_call(KEEP, [_number(site, one), one], one) for one in first.ifs]
        return _call(hook, [_number(site, node), node], node)

    def _new_site(self, bound: frozenset[str]) -> int:
        self.bound.append(bound)
        return len(self.bound) - 1


def _bound_in(body: Sequence[ast.AST]) -> Iterator[str]:
    """Yield the names that statements bind in their own scope."""
    for node in body:
        yield from _bound_by(node)
        if isinstance(node, _SCOPES):
            continue
        if isinstance(node, _COMPREHENSIONS):
            yield from (one.target.id for one in ast.walk(node) if isinstance(one, ast.NamedExpr))
            continue
        yield from _bound_in(list(ast.iter_child_nodes(node)))


def _bound_by(node: ast.AST) -> Iterator[str]:
    """Yield the names that one node binds; of a target, all of them."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name
    elif isinstance(node, ast.Tuple | ast.List | ast.Starred):
        for part in ast.iter_child_nodes(node):
            yield from _bound_by(part)


def _is_harmless(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return all(isinstance(kind, ast.Name) and kind.id in _HARMLESS for kind in kinds)


def _when(condition: ast.expr, names: frozenset[str], at: ast.AST) -> ast.stmt:
    """Return `if condition: a = b = stale()`."""
    targets: list[ast.expr] = [ast.Name(name, ast.Store()) for name in sorted(names)]
    stale = ast.Call(ast.Name(STALE, ast.Load()), [], [])
    body: list[ast.stmt] = [ast.Assign(targets, stale)] if targets else [ast.Pass()]
    return _located(ast.If(condition, body, []), at)


def _call(name: str, arguments: Sequence[ast.expr], at: ast.AST) -> ast.Call:
    return ast.copy_location(ast.Call(_name(name, at), list(arguments), []), at)


def _name(name: str, at: ast.AST) -> ast.Name:
    return ast.copy_location(ast.Name(name, ast.Load()), at)


def _number(number: int, at: ast.AST) -> ast.Constant:
    return ast.copy_location(ast.Constant(number), at)


def _located(statement: ast.stmt, at: ast.AST) -> ast.stmt:
    """Give a statement and all in it one place."""
    for node in ast.walk(statement):
        ast.copy_location(node, at)
    return statement
