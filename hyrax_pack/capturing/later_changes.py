"""Where a file changes, in some function, what its to_tensor uses: `global CLIP` in `__init__`, `TABLE["g"] = 3`.

The text holds what a name stood for when it was taken, and training runs the text: what is changed later would be
changed in vain, without anybody being told.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from hyrax_pack.capturing.file_statements import statements_of
from hyrax_pack.capturing.finding import Definition
from hyrax_pack.capturing.kept_state import CHANGERS
from hyrax_pack.capturing.source_file import bound_names
from hyrax_pack.errors import Problem

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_BINDING = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
_Change = tuple[str, ast.expr]


def later_changes(
    names: Collection[str], imports: Collection[str], definition: Definition, others: Collection[ast.AST]
) -> Iterator[Problem]:
    """Every place of the file, or of the notebook, that changes one of the names when it is called.

    Parameters
    ----------
    names : collection of str
        What the text brings along: constants and functions.
    imports : collection of str
        The names of what it imports.
    definition : Definition
        The function that uses them.
    others : collection of function node
        Functions of the text, about which `kept_state` says it.
    """
    search = _Search(imports, _modules(definition), {id(node) for node in others})
    for statement in statements_of(definition):
        if statement.conditional:  # seen with the statement around it
            continue
        for name, node in search.below(statement.node, frozenset({*names, *imports})):
            yield Problem(
                f"{statement.shown}:{node.lineno}",
                f"`{name}` is changed here, and {definition.node.name}, captured before, keeps what it was; give it "
                "one value for good, or give it as a field",
            )


def _modules(definition: Definition) -> frozenset[str]:
    """Names that stand for the file itself, once it is imported."""
    namespace = definition.function.__globals__
    live = sys.modules.get(str(namespace.get("__name__")))
    names = {name for name, value in namespace.items() if live is not None and value is live}
    return frozenset({*names, Path(definition.source.filename).stem})


class _Search:
    """Goes through a file, and knows in each function which names are those of the file."""

    def __init__(self, imports: Collection[str], modules: Collection[str], others: Collection[int]) -> None:
        self._imports, self._modules, self._others = frozenset(imports), modules, others

    def below(self, node: ast.AST, names: frozenset[str]) -> Iterator[_Change]:
        """Each of the names that a function below the node changes; `names` are those that are not hidden there."""
        for function in _functions_below(node):
            if id(function) not in self._others:
                yield from self._inside(function, names)

    def _inside(self, function: _Function, names: frozenset[str]) -> Iterator[_Change]:
        parts = list(_parts(function))
        declared = {name for part in parts if isinstance(part, ast.Global) for name in part.names} & names
        names = (names - _bound(function, parts)) | declared
        for part in parts:
            if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load) and part.id in declared:
                yield part.id, part
            elif isinstance(part, ast.expr) and (changed := self._changed(part, names)):
                yield changed, part
        for part in function.body if isinstance(function.body, list) else [function.body]:
            yield from self.below(part, names)

    def _changed(self, node: ast.expr, names: frozenset[str]) -> str | None:
        """The name whose content the expression changes, or which it sets through the module."""
        if isinstance(node, ast.Call):
            return self._changed_by_call(node, names)
        if not isinstance(node, ast.Attribute | ast.Subscript) or isinstance(node.ctx, ast.Load):
            return None
        if isinstance(node, ast.Attribute) and node.attr in names and self._is_this_module(node.value):
            return node.attr
        if isinstance(node, ast.Subscript) and _is_call_of(node.value, "globals"):
            return next((name for name in _words(node.slice) if name in names), None)
        return _root(node.value, names)

    def _changed_by_call(self, node: ast.Call, names: frozenset[str]) -> str | None:
        called = node.func
        if isinstance(called, ast.Name) and called.id == "setattr" and node.args[1:]:
            wanted = next((name for name in _words(node.args[1]) if name in names), None)
            return wanted if self._is_this_module(node.args[0]) else _root(node.args[0], names)
        if not isinstance(called, ast.Attribute):
            return None
        if called.attr == "update" and _is_call_of(called.value, "globals"):
            given = [*(each.arg for each in node.keywords), *(word for each in node.args for word in _words(each))]
            return next((name for name in given if name in names), None)
        return (
            _root(called.value, names - self._imports) if called.attr in CHANGERS else None
        )  # np.sort changes nothing

    def _is_this_module(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return node.id in self._modules
        return isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("sys.modules", "modules")


def _functions_below(node: ast.AST) -> Iterator[_Function]:
    """The outermost functions in a node, itself perhaps."""
    if isinstance(node, _Function):
        yield node
        return
    for child in ast.iter_child_nodes(node):
        yield from _functions_below(child)


def _parts(function: _Function) -> Iterator[ast.AST]:
    """What stands in a function, the functions inside it without their contents."""
    stack: list[ast.AST] = [*function.body] if isinstance(function.body, list) else [function.body]
    while stack:
        part = stack.pop()
        yield part
        if not isinstance(part, _Function):
            stack += ast.iter_child_nodes(part)


def _bound(function: _Function, parts: Collection[ast.AST]) -> set[str]:
    """The names that a function binds itself."""
    bound = {part.arg for part in ast.walk(function.args) if isinstance(part, ast.arg)}
    bound |= {part.id for part in parts if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)}
    return bound | {name for part in parts if isinstance(part, _BINDING) for name in bound_names(part)}


def _root(node: ast.expr, names: frozenset[str]) -> str | None:
    """The name at the beginning of `TABLE["g"].x`, where it is one of `names`."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) and node.id in names else None


def _is_call_of(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _words(node: ast.expr) -> Iterator[str]:
    return (part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str))
