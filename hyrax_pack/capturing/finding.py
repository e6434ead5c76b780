"""Find the one `def` behind a live function, and make sure that the file still says what is running.

Not `inspect.getsource`: its dedent changes multi-line strings. The whole file is parsed (linecache also knows notebook
cells), the `def` is found by name and line, the file is compiled, and its code must equal the live code.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import io
import linecache
import tokenize
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hyrax_pack.errors import CaptureError, Problem

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_FUTURE_FLAGS = {name: getattr(__future__, name).compiler_flag for name in __future__.all_feature_names}
_FUTURE_MASK = sum(_FUTURE_FLAGS.values())
# What a function is told by its surroundings: defined in another function, under a future import.
_ELSEWHERE = inspect.CO_NESTED | _FUTURE_MASK
_CONDITIONS = (ast.If, ast.Try, ast.TryStar, ast.For, ast.While, ast.With, ast.Match)
_SCOPES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Definition:
    """A live function and the `def` that it came from.

    `lines` are those of its whole file or notebook cell, each with its newline; `shown` is how messages name that file.
    """

    function: types.FunctionType
    shown: str
    lines: tuple[str, ...]
    tree: ast.Module
    node: FunctionNode

    def where(self, place: ast.AST | int) -> str:
        """`file:line` of a node or line number."""
        line = place if isinstance(place, int) else getattr(place, "lineno", self.node.lineno)
        return f"{self.shown}:{line}"

    @property
    def origin(self) -> str:
        """File name and line, without the folders of this machine."""
        return f"{Path(self.shown).name}:{self.node.lineno}"

    @property
    def late_annotations(self) -> bool:
        """Whether `from __future__ import annotations` holds here, so that no annotation is evaluated."""
        return bool(self.function.__code__.co_flags & _FUTURE_FLAGS["annotations"])

    @cached_property
    def tokens(self) -> tuple[tokenize.TokenInfo, ...]:
        """The tokens of the whole file."""
        return tuple(tokenize.generate_tokens(io.StringIO("".join(self.lines)).readline))

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Each node's parent."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def enclosing_class(self) -> ast.ClassDef | None:
        """The class in whose body the `def` stands."""
        scope = _scope(self.node, self.parents)
        return scope if isinstance(scope, ast.ClassDef) else None

    def rebound_on(self) -> list[int]:
        """Lines of the other statements of the same scope that bind the function's name."""
        return [line for line, _ in _other_bindings(self.node, self.tree, self.parents)]


def find_definition(function: types.FunctionType) -> Definition:
    """Find the text of a live function.

    Raises
    ------
    CaptureError
        No source text; text that is not what is running; several definitions of which any may be meant.
    """
    code = function.__code__
    shown = shown_name(code.co_filename, function.__globals__)
    place = f"{shown}:{code.co_firstlineno}"
    lines = _read_lines(function, shown, place)
    _refuse_replaced_code(function, place)
    text = "".join(lines)
    try:
        tree = quietly(ast.parse, text)
    except SyntaxError as error:
        raise _refusal(
            function,
            f"{shown}:{error.lineno}",
            f"the file no longer parses ({error.msg}); it was edited after it was imported: mend it and start again",
        ) from error
    node = _matching_node(function, tree, place)
    definition = Definition(function, shown, lines, tree, node)
    _refuse_alternatives(definition)
    return definition


def shown_name(filename: str, namespace: dict[str, Any]) -> str:
    """How messages name a file: relative to the current folder where it is inside; a notebook cell by its number."""
    shell = namespace.get("get_ipython")
    if callable(shell) and "__file__" not in namespace:
        numbers = getattr(getattr(shell(), "compile", None), "_filename_map", {})
        return f"notebook cell {numbers[filename]}" if filename in numbers else filename
    try:
        return str(Path(filename).relative_to(Path.cwd()))
    except ValueError:
        return filename


def is_same_code(one: types.CodeType, other: types.CodeType) -> bool:
    """Whether two code objects are the same instructions on the same constants and names, wherever they stand."""
    return _fingerprint(one) == _fingerprint(other)


def is_same_meaning(one: types.CodeType, other: types.CodeType) -> bool:
    """Whether two code objects have the same constants, names and variables, all the way down.

    Weaker than `is_same_code`: the same text may compile to other instructions beside other imports.
    """
    return _meaning(one) == _meaning(other)


def _read_lines(function: types.FunctionType, shown: str, place: str) -> tuple[str, ...]:
    filename = function.__code__.co_filename
    path = Path(filename)
    if path.suffix != ".pyc" and path.is_file():
        with path.open("rb") as file:
            try:
                encoding, _ = tokenize.detect_encoding(file.readline)
            except SyntaxError as error:
                raise _refusal(function, shown, f"the file is not UTF-8 ({error}); save it as UTF-8") from error
        if encoding not in ("utf-8", "utf-8-sig"):
            raise _refusal(function, shown, f"the file declares the encoding {encoding!r}; save it as UTF-8")
    linecache.checkcache(filename)
    lines = tuple(linecache.getlines(filename, function.__globals__))
    if not lines:
        raise _refusal(
            function,
            place,
            "no source text (a prompt, exec, a frozen or compiled module); put the function in a .py file "
            "or a notebook cell",
        )
    return lines


def _refuse_replaced_code(function: types.FunctionType, place: str) -> None:
    code = function.__code__
    if function.__name__ != code.co_name or function.__qualname__ != code.co_qualname:
        raise _refusal(
            function,
            place,
            f"what runs under the name {function.__qualname__!r} is the code of {code.co_qualname!r}: its __code__ or "
            "__name__ was replaced; write the function that is meant and use that",
        )


def _matching_node(function: types.FunctionType, tree: ast.Module, place: str) -> FunctionNode:
    code = function.__code__
    named = [node for node in ast.walk(tree) if isinstance(node, FunctionNode) and node.name == code.co_name]
    # A notebook compiles each statement of a cell alone, and `np.x` may compile differently there.
    statements = [ast.Module([statement], []) for statement in tree.body]
    equal = _equal_nodes(named, [tree], code) or _equal_nodes(named, statements, code)
    for node in equal:
        if _first_line(node) == code.co_firstlineno:
            return node
    if len(equal) == 1:
        return equal[0]
    if equal:
        lines = " and ".join(str(node.lineno) for node in equal)
        raise _refusal(function, place, f"the file defines it on lines {lines}, and it was edited since; keep one")
    raise _refusal(function, place, _why_different(code, named))


def _equal_nodes(named: list[FunctionNode], modules: list[ast.Module], live: types.CodeType) -> list[FunctionNode]:
    lines = {
        code.co_firstlineno
        for module in modules
        for code in _inner_codes(quietly(compile, module, live.co_filename, "exec", live.co_flags & _FUTURE_MASK, True))
        if code.co_qualname == live.co_qualname and is_same_code(code, live)
    }
    return [node for node in named if _first_line(node) in lines]


def _why_different(code: types.CodeType, named: list[FunctionNode]) -> str:
    if any(name.startswith("@py") for name in (*code.co_names, *code.co_varnames)):
        return (
            "pytest has rewritten its assert statements, so what runs is not what the file says; "
            "put it in a module that is no test file"
        )
    if not named:
        return f"the file holds no function {code.co_name!r} any more; it was edited after it was imported: start again"
    return (
        "what runs is not what the file says: it was edited after it was imported (start again, or run the cell "
        "again), or something has rewritten the function (a coverage tool, a patched __code__)"
    )


def _refuse_alternatives(definition: Definition) -> None:
    """Refuse where the host decides which of several definitions of the name is meant."""
    bindings = _other_bindings(definition.node, definition.tree, definition.parents)
    conditional = _is_conditional(definition.node, definition.parents)
    others = [line for line, other_conditional in bindings if conditional or other_conditional]
    if others:
        lines = " and ".join(map(str, sorted([definition.node.lineno, *others])))
        raise _refusal(
            definition.function,
            definition.where(definition.node),
            f"{definition.node.name!r} is bound on lines {lines}, under a condition: which one is meant depends on the "
            "machine; keep one",
        )


def _other_bindings(node: FunctionNode, tree: ast.Module, parents: dict[ast.AST, ast.AST]) -> list[tuple[int, bool]]:
    scope = _scope(node, parents)
    return [
        (other.lineno, _is_conditional(other, parents))
        for other in ast.walk(tree)
        if other is not node
        and isinstance(other, ast.stmt)
        and node.name in bound_names(other)
        and _scope(other, parents) is scope
    ]


def bound_names(statement: ast.stmt) -> Iterator[str]:
    """The names that a definition, import or assignment binds."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Import):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in statement.names)
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


def _scope(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> ast.AST:
    node = parents[node]
    while not isinstance(node, _SCOPES):
        node = parents[node]
    return node


def _is_conditional(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    return isinstance(parents[node], (*_CONDITIONS, ast.ExceptHandler, ast.match_case))


def _first_line(node: FunctionNode) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _inner_codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _inner_codes(constant)


def _fingerprint(code: types.CodeType) -> tuple[Any, ...]:
    return (code.co_name, code.co_code, code.co_flags, _constants(_written(code), _fingerprint), _meaning(code))


def _meaning(code: types.CodeType) -> tuple[Any, ...]:
    arguments = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
    variables = (code.co_varnames, code.co_freevars, code.co_cellvars)
    return (
        _constants(_written(code), _meaning),
        code.co_names,
        variables,
        arguments,
        code.co_flags & ~_ELSEWHERE,
    )


def _written(code: types.CodeType) -> tuple[Any, ...]:
    """The constants, without those by which a class body knows its place: its full name and, from 3.13 on, its line."""
    if code.co_flags & inspect.CO_OPTIMIZED:
        return code.co_consts
    place = (code.co_qualname, code.co_firstlineno)
    return tuple(... if type(value) in (str, int) and value in place else value for value in code.co_consts)


def _constants(value: Any, of_code: Callable[[types.CodeType], Any]) -> Any:
    if isinstance(value, types.CodeType):
        return of_code(value)
    if isinstance(value, tuple):
        return tuple(_constants(item, of_code) for item in value)
    if isinstance(value, frozenset):
        return ("frozenset", *sorted(repr(item) for item in value))
    return (type(value).__name__, repr(value))


def quietly(function: Any, *arguments: Any, **settings: Any) -> Any:
    """Parse or compile without warnings: an odd escape in a string was said when the file was imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **settings)


def _refusal(function: types.FunctionType, where: str, what: str) -> CaptureError:
    return CaptureError(f"{function.__qualname__} cannot be captured", [Problem(where, what)])
