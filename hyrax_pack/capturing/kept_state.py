"""What a function keeps from one call to the next: a list of the file that it changes, an attribute of a function.

Such state makes a result depend on what was seen before: a mean that the first batch left behind. A name may stand for
a lasting object under other names too (`s = STATS`, a parameter of a helper, a loop over its values), so what each name
may stand for is followed through all functions of the text, whatever the order in which they run. What is done to
lasting objects by code that cannot be seen here shows when the text is run (see hyrax_pack.capturing.fresh_process).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# Methods and functions that change a list or dict in place.
CHANGERS = frozenset(
    {
        "append", "clear", "extend", "insert", "pop", "popitem", "remove", "reverse", "setdefault", "sort", "update",
        "__delitem__", "__iadd__", "__imul__", "__ior__", "__setitem__",
    }
)  # fmt: skip
_CHANGING_FUNCTIONS = frozenset(
    {
        "delitem", "heapify", "heappop", "heappush", "heappushpop", "heapreplace", "iadd", "iconcat", "imul",
        "insort", "insort_left", "insort_right", "ior", "setitem", "shuffle",
    }
)  # fmt: skip
# Methods that give what a container holds, and functions that give their argument's content anew.
_GIVING = frozenset({"__getitem__", "copy", "get", "items", "pop", "popitem", "setdefault", "values"})
_PASSING = frozenset(
    {"dict", "enumerate", "filter", "iter", "list", "max", "min", "next", "reversed", "sorted", "tuple", "zip"}
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_MOST_PASSES = 12

FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True)
class Lasting:
    """A function or module, which lives as long as the process; `name` as written."""

    name: str
    is_module: bool


Values = dict[int, Any]  # what an expression may stand for: containers and Lasting objects, by identity


@dataclass
class _Scope:
    """One function: what each of its names may stand for, and what it may return."""

    node: FunctionDef
    outer: _Scope | None
    values: dict[str, Values]
    returned: Values = field(default_factory=dict)
    inner: dict[int, _Scope] = field(default_factory=dict)

    def lookup(self, name: str) -> Values:
        if name in self.values:
            return self.values[name]
        return self.outer.lookup(name) if self.outer else {}


def kept_state(
    functions: Mapping[str, FunctionDef], constants: Mapping[str, Any], imported: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, ast.AST, str]]:
    """Every place that changes what outlives a call: the function's name in the text, the node, what is wrong.

    Parameters
    ----------
    functions : mapping of str to function node
        Every function of the text, by its name there.
    constants : mapping of str to value
        The constants of the text.
    imported : mapping of str to mapping
        By function: what the imports in and above it bind, name -> dotted name.
    """
    yield from _Following(functions, constants, imported).changes()


class _Following:
    """Follows what names may stand for, until nothing new is found."""

    def __init__(
        self,
        functions: Mapping[str, FunctionDef],
        constants: Mapping[str, Any],
        imported: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._owners: dict[int, str] = {}
        self._grown = False
        self._attributes: dict[tuple[str, bool], Lasting] = {}
        self._made: dict[tuple[int, ...], tuple[Any, ...]] = {}  # holders by what they hold: each is made once
        self._called: dict[int, _Scope] = {}  # the functions that a value may be, by identity of the value
        shared: dict[str, Values] = {}
        for name, value in constants.items():
            if _may_change(value):
                shared[name] = {id(value): value}
                self._own(value, name)
        shared |= {name: self._lasting(name, is_module=False) for name in functions}
        self._scopes = {
            name: self._scope_of(
                node, _Scope(node, None, shared | {one: self._lasting(one, is_module=True) for one in imported[name]})
            )
            for name, node in functions.items()
        }
        self._called |= {next(iter(shared[name])): scope for name, scope in self._scopes.items()}

    def changes(self) -> Iterator[tuple[str, ast.AST, str]]:
        """Follow everything, then name the places."""
        for _ in range(_MOST_PASSES):
            self._grown = False
            for scope in self._scopes.values():
                self._follow(scope)
            if not self._grown:
                break
        for name, scope in self._scopes.items():
            for node, what in self._changes(scope):
                yield name, node, what

    def _own(self, value: Any, name: str) -> None:
        self._owners.setdefault(id(value), name)
        for item in _held(value):
            self._own(item, name)

    def _lasting(self, name: str, *, is_module: bool) -> Values:
        found = self._attributes.setdefault((name, is_module), Lasting(name, is_module))
        return {id(found): found}

    def _scope_of(self, node: FunctionDef, outer: _Scope) -> _Scope:
        return outer.inner.setdefault(id(node), _Scope(node, outer, {name: {} for name in _bound_in(node)}))

    def _follow(self, scope: _Scope) -> None:
        """One pass over a function: what its statements bind."""
        if isinstance(scope.node, ast.Lambda):
            self._add(scope.returned, self._values(scope.node.body, scope))
            return
        for node in _own_nodes(scope.node):
            self._bind_all(node, scope)
            if isinstance(node, ast.Return) and node.value is not None:
                self._add(scope.returned, self._values(node.value, scope))
            if isinstance(node, ast.Call):
                self._pass_arguments(node, scope)

    def _bind_all(self, node: ast.AST, scope: _Scope) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind_expression(target, node.value, scope)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            self._bind_expression(node.target, node.value, scope)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            self._bind(node.target, self._held_by(self._values(node.iter, scope)), scope)
        elif isinstance(node, _FUNCTIONS):
            inner = self._scope_of(node, scope)
            self._follow(inner)
            if not isinstance(node, ast.Lambda):
                self._bind_name(node.name, self._inner_function(inner), scope)

    def _inner_function(self, inner: _Scope) -> Values:
        """A function of the body, as a value: one that is made anew in each call, so it is not Lasting."""
        self._called[id(inner)] = inner
        return {id(inner): inner}

    def _bind_expression(self, target: ast.expr, value: ast.expr, scope: _Scope) -> None:
        pairs = _pairs(target, value)
        for part, given in pairs:
            self._bind_expression(part, given, scope)
        if not pairs:
            self._bind(target, self._values(value, scope), scope)

    def _bind(self, target: ast.expr, values: Values, scope: _Scope) -> None:
        if isinstance(target, ast.Name):
            self._bind_name(target.id, values, scope)
        elif isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self._bind(part, self._held_by(values), scope)
        elif isinstance(target, ast.Starred):
            self._bind(target.value, self._holder(values), scope)

    def _bind_name(self, name: str, values: Values, scope: _Scope) -> None:
        if name in scope.values:
            self._add(scope.values[name], values)

    def _add(self, known: Values, values: Values) -> None:
        for key, value in values.items():
            if key not in known:
                known[key] = value
                self._grown = True

    def _pass_arguments(self, call: ast.Call, scope: _Scope) -> None:
        for called in self._values(call.func, scope):
            if called not in self._called:
                continue
            helper = self._called[called]
            signature = helper.node.args
            names = [argument.arg for argument in (*signature.posonlyargs, *signature.args)]
            for name, given in zip(names, call.args, strict=False):
                if isinstance(given, ast.Starred):
                    break
                self._bind_name(name, self._values(given, scope), helper)
            for keyword in call.keywords:
                if keyword.arg:
                    self._bind_name(keyword.arg, self._values(keyword.value, scope), helper)

    def _values(self, node: ast.expr | None, scope: _Scope) -> Values:
        """What an expression may stand for, as far as it lives on between calls."""
        if isinstance(node, ast.Name):
            return scope.lookup(node.id)
        if isinstance(node, ast.Attribute):
            found: Values = {}
            for each in self._values(node.value, scope).values():
                if isinstance(each, Lasting):
                    found |= self._lasting(f"{each.name}.{node.attr}", is_module=each.is_module)
            return found
        if isinstance(node, ast.Subscript):
            return self._held_by(self._values(node.value, scope))
        if isinstance(node, ast.Starred | ast.NamedExpr | ast.Await):
            return self._values(node.value, scope)
        if isinstance(node, ast.IfExp):
            return self._values(node.body, scope) | self._values(node.orelse, scope)
        if isinstance(node, ast.BoolOp):
            return self._of_all(node.values, scope)
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            return self._holder(self._of_all(node.elts, scope))
        if isinstance(node, ast.Dict):
            return self._holder(self._of_all(node.values, scope))
        if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp):
            return self._holder(self._values(node.elt, scope))
        if isinstance(node, ast.Lambda):
            return self._inner_function(self._scope_of(node, scope))
        return self._result_of(node, scope) if isinstance(node, ast.Call) else {}

    def _of_all(self, nodes: list[ast.expr], scope: _Scope) -> Values:
        found: Values = {}
        for node in nodes:
            found |= self._values(node, scope)
        return found

    def _result_of(self, call: ast.Call, scope: _Scope) -> Values:
        given = self._of_all(call.args, scope)
        if isinstance(call.func, ast.Attribute) and call.func.attr in _GIVING:
            receiver = self._values(call.func.value, scope)
            held = self._held_by(receiver)
            return given | self._handed_out(held)
        if isinstance(call.func, ast.Name) and call.func.id in _PASSING:
            return self._handed_out(self._held_by(given))
        results: Values = {}
        for called in self._values(call.func, scope):
            results |= self._called[called].returned if called in self._called else {}
        return results

    def _handed_out(self, held: Values) -> Values:
        """What a container holds, by itself, in a new container, and in pairs, as `items` gives it."""
        holder = self._holder(held)
        return held | holder | self._holder(holder)

    def _held_by(self, values: Values) -> Values:
        return {id(item): item for value in values.values() for item in _held(value)}

    def _holder(self, values: Values) -> Values:
        """A container made in the function that holds these: new itself, its content is not."""
        lasting = {key: value for key, value in values.items() if not isinstance(value, _Scope)}
        if not lasting:
            return {}
        made = self._made.setdefault(tuple(sorted(lasting)), tuple(lasting.values()))
        return {id(made): made}

    def _changes(self, scope: _Scope) -> Iterator[tuple[ast.AST, str]]:
        for node in _own_nodes(scope.node):
            for place in self._changed_by(node, scope):
                for value in self._values(place, scope).values():
                    if what := self._what_is_wrong(value, node):
                        yield node, what
                        break
            if isinstance(node, _FUNCTIONS) and id(node) in scope.inner:
                yield from self._changes(scope.inner[id(node)])

    def _changed_by(self, node: ast.AST, scope: _Scope) -> Iterator[ast.expr]:
        """The expressions whose object a node changes in place."""
        if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
            yield node.value
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            yield ast.copy_location(ast.Name(node.target.id, ast.Load()), node)
        elif isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called in ("setattr", "delattr") or called in _CHANGING_FUNCTIONS:
                yield from node.args[:1]
            elif isinstance(node.func, ast.Attribute) and called in CHANGERS:
                owner = node.func.value
                in_class = isinstance(owner, ast.Name) and owner.id in ("list", "dict")
                yield from node.args[:1] if in_class else [owner]

    def _what_is_wrong(self, value: Any, node: ast.AST) -> str | None:
        if isinstance(value, list | dict):
            return f"`{self._owners[id(value)]}` is changed here, which lives on between calls; make it inside"
        if not isinstance(value, Lasting):
            return None
        if isinstance(node, ast.Call) and value.is_module and getattr(node.func, "attr", "") in CHANGERS:
            return None  # np.sort(x), np.ma.append(x, y)
        if isinstance(node, ast.AugAssign):
            return None
        written, done = (
            (f"{value.name}.{node.attr}", "set") if isinstance(node, ast.Attribute) else (value.name, "changed")
        )
        return f"`{written}` is {done} here, which lives on between calls; keep it in a variable of the function"


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """The parts of `a, b = x, y`; none where the two sides do not match one by one."""
    sides = (target, value)
    lists = [side.elts for side in sides if isinstance(side, ast.Tuple | ast.List)]
    starred = any(isinstance(part, ast.Starred) for parts in lists for part in parts)
    return list(zip(*lists, strict=True)) if len(set(map(len, lists))) == 1 < len(lists) and not starred else []


def _held(value: Any) -> list[Any]:
    """What a container holds that may change or live on."""
    if isinstance(value, dict):
        return [item for item in value.values() if _may_change(item)]
    if isinstance(value, list | tuple):
        return [item for item in value if _may_change(item)]
    return []


def _may_change(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(map(_may_change, value))
    return isinstance(value, list | dict | Lasting)


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Every node of a function's body; of a function inside it only the node itself."""
    body = node.body if isinstance(node.body, list) else [node.body]  # type: ignore[attr-defined]
    stack: list[ast.AST] = list(reversed(body))
    while stack:
        part = stack.pop()
        yield part
        if not isinstance(part, _FUNCTIONS):
            stack.extend(reversed(list(ast.iter_child_nodes(part))))


def _bound_in(node: FunctionDef) -> set[str]:
    """The names that a function binds itself, those of its imports excepted."""
    signature = node.args
    arguments = [*signature.posonlyargs, *signature.args, *signature.kwonlyargs, signature.vararg, signature.kwarg]
    names = {argument.arg for argument in arguments if argument}
    for part in _own_nodes(node):
        if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
            names.add(part.id)
        elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(part.name)
    return names
