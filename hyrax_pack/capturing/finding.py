"""Find the one `def` behind a live function, and make sure that the file still says what is running.

Not `inspect.getsource`: its dedent changes multi-line strings. The whole file is parsed (linecache also knows notebook
cells), the `def` is found by name and line, the file is compiled, and its code must equal the live code.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hyrax_pack.capturing.code_equality import LATE_ANNOTATIONS, is_same_code
from hyrax_pack.capturing.source_file import FunctionNode, Scope, SourceFile, bound_names, read_source
from hyrax_pack.errors import CaptureError, Problem


@dataclass(frozen=True)
class Definition:
    """A live function and the `def` that it came from."""

    function: types.FunctionType
    source: SourceFile
    node: FunctionNode

    def where(self, place: ast.AST | int) -> str:
        """`file:line` of a node or line number."""
        line = place if isinstance(place, int) else getattr(place, "lineno", self.node.lineno)
        return f"{self.source.shown}:{line}"

    @property
    def origin(self) -> str:
        """File name and line, without the folders of this machine."""
        return f"{Path(self.source.shown).name}:{self.node.lineno}"

    @property
    def late_annotations(self) -> bool:
        """Whether `from __future__ import annotations` holds here, so that no annotation is evaluated."""
        return bool(self.function.__code__.co_flags & LATE_ANNOTATIONS)

    @property
    def in_class(self) -> bool:
        """Whether the `def` stands in the body of a class."""
        return isinstance(self.source.scope_of(self.node), ast.ClassDef)

    def rebound_on(self) -> list[int]:
        """Lines of the other statements of the same scope that bind the function's name."""
        return [other.lineno for other in _other_bindings(self)]


class Finder:
    """Finds definitions, reading each file once."""

    def __init__(self) -> None:
        self._files: dict[str, SourceFile] = {}

    def find(self, function: types.FunctionType) -> Definition:
        """Find the text of a live function.

        Raises
        ------
        CaptureError
            No source text, or text that is not what is running.
        """
        source = self._read(function)
        place = f"{source.shown}:{function.__code__.co_firstlineno}"
        _refuse_replaced_code(function, place)
        return Definition(function, source, _matching_node(function, source, place))

    def _read(self, function: types.FunctionType) -> SourceFile:
        code = function.__code__
        if code.co_filename in self._files:
            return self._files[code.co_filename]
        source = read_source(code.co_filename, function.__globals__)
        if isinstance(source, Problem):
            raise _refusal(function, source.where, source.what)
        if not source.lines:
            raise _refusal(function, f"{source.shown}:{code.co_firstlineno}", _why_no_source(code))
        try:
            _ = source.tree
        except SyntaxError as error:
            what = f"the file no longer parses ({error.msg}); it was edited after it was imported"
            raise _refusal(function, f"{source.shown}:{error.lineno}", f"{what}: mend it and start again") from error
        self._files[code.co_filename] = source
        return source


def _refuse_replaced_code(function: types.FunctionType, place: str) -> None:
    code = function.__code__
    if function.__name__ != code.co_name or function.__qualname__ != code.co_qualname:
        raise _refusal(
            function,
            place,
            f"what runs under the name {function.__qualname__!r} is the code of {code.co_qualname!r}: its __code__ or "
            "__name__ was replaced; write the function that is meant and use that",
        )


def _matching_node(function: types.FunctionType, source: SourceFile, place: str) -> FunctionNode:
    code = function.__code__
    equal = equal_nodes(source, code)
    for node in equal:
        if _first_line(node) == code.co_firstlineno:
            return node
    if len(equal) == 1:
        return equal[0]
    if equal:
        lines = " and ".join(str(node.lineno) for node in equal)
        raise _refusal(function, place, f"the file defines it on lines {lines}, and it was edited since; keep one")
    raise _refusal(function, place, _why_different(source, code))


def equal_nodes(source: SourceFile, live: types.CodeType) -> list[FunctionNode]:
    """Every `def` of a file that compiles to the code that is running."""
    for alone in (False, True):
        lines = {
            code.co_firstlineno
            for code in source.codes(live.co_flags, alone=alone)
            if code.co_qualname == live.co_qualname and is_same_code(code, live)
        }
        if equal := [node for node in source.functions.get(live.co_name, []) if _first_line(node) in lines]:
            return equal
    return []


def _why_no_source(code: types.CodeType) -> str:
    if code.co_filename == "<timed exec>":
        return "a cell that begins with %%time keeps no source text; remove %%time and run the cell again"
    return (
        "no source text (a prompt, exec, a frozen or compiled module); put the function in a .py file or a notebook "
        "cell"
    )


def _why_different(source: SourceFile, code: types.CodeType) -> str:
    if any(name.startswith("@py") for name in (*code.co_names, *code.co_varnames)):
        return (
            "pytest has rewritten its assert statements, so what runs is not what the file says; "
            "put it in a module that is no test file"
        )
    if code.co_name not in source.functions:
        return f"the file holds no function {code.co_name!r} any more; it was edited after it was imported: start again"
    return (
        "what runs is not what the file says: it was edited after it was imported (start again, or run the cell "
        "again), or something has rewritten the function (a coverage tool, a patched __code__)"
    )


def alternatives(definition: Definition) -> Iterator[Problem]:
    """Say where the host decides which of several definitions of the name is meant."""
    source, node = definition.source, definition.node
    others = [
        other.lineno
        for other in _other_bindings(definition)
        if _is_conditional(source, node) or _is_conditional(source, other)
    ]
    if others:
        lines = " and ".join(map(str, sorted([node.lineno, *others])))
        yield Problem(
            definition.where(node),
            f"{node.name!r} is bound on lines {lines}, under a condition: which one is meant depends on the machine; "
            "keep one",
        )


def _other_bindings(definition: Definition) -> list[ast.stmt]:
    node = definition.node
    statements = _statements_of(definition.source.scope_of(node))
    return [other for other in statements if other is not node and node.name in bound_names(other)]


def _statements_of(scope: ast.AST) -> Iterator[ast.stmt]:
    """The statements of a scope, those under conditions included, in their order."""
    for child in ast.iter_child_nodes(scope):
        if isinstance(child, ast.stmt):
            yield child
        if not isinstance(child, Scope | ast.expr):
            yield from _statements_of(child)


def _is_conditional(source: SourceFile, node: ast.AST) -> bool:
    return not isinstance(source.parents[node], Scope)


def _first_line(node: FunctionNode) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _refusal(function: types.FunctionType, where: str, what: str) -> CaptureError:
    return CaptureError(f"{function.__qualname__} cannot be captured", [Problem(where, what)])
