"""The text of a file or notebook cell, read, parsed and compiled once for all functions that stand in it."""

from __future__ import annotations

import ast
import io
import linecache
import tokenize
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hyrax_pack.capturing.code_equality import FUTURE_MASK
from hyrax_pack.errors import Problem

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Scope = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

INDENTATION = " \t\f"
# From Python 3.12 on an f-string is several tokens.
_STARTS = tuple(getattr(tokenize, name, -1) for name in ("FSTRING_START", "TSTRING_START"))
_ENDS = tuple(getattr(tokenize, name, -1) for name in ("FSTRING_END", "TSTRING_END"))


@dataclass(frozen=True)
class SourceFile:
    """The text behind a code object's file name.

    Attributes
    ----------
    filename : str
        As code objects have it.
    shown : str
        How messages name it.
    lines : tuple of str
        Each with its newline.
    """

    filename: str
    shown: str
    lines: tuple[str, ...]
    _codes: dict[tuple[int, bool], list[types.CodeType]] = field(default_factory=dict, repr=False)

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree; SyntaxError where it no longer parses."""
        tree: ast.Module = quietly(ast.parse, "".join(self.lines))
        return tree

    @cached_property
    def tokens(self) -> tuple[tokenize.TokenInfo, ...]:
        """Every token."""
        return tuple(tokenize.generate_tokens(io.StringIO("".join(self.lines)).readline))

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Each node's parent."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def functions(self) -> dict[str, list[FunctionNode]]:
        """Every `def`, by name."""
        found: dict[str, list[FunctionNode]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, FunctionNode):
                found.setdefault(node.name, []).append(node)
        return found

    @cached_property
    def lines_inside_strings(self) -> frozenset[int]:
        """Lines whose beginning belongs to a string, so that no character of it may be cut."""
        inside: set[int] = set()
        open_strings: list[int] = []
        for token in self.tokens:
            if token.type == tokenize.STRING:
                inside.update(range(token.start[0] + 1, token.end[0] + 1))
            elif token.type in _STARTS:
                open_strings.append(token.start[0])
            elif token.type in _ENDS:
                inside.update(range(open_strings.pop() + 1, token.end[0] + 1))
        return frozenset(inside)

    @cached_property
    def comment_lines(self) -> frozenset[int]:
        """Lines that hold a comment and nothing else."""
        return frozenset(
            token.start[0]
            for token in self.tokens
            if token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip(INDENTATION)
        )

    def codes(self, flags: int, *, alone: bool) -> list[types.CodeType]:
        """The code of every function and class, compiled under the future imports of `flags`.

        A notebook compiles each statement of a cell `alone`, and `np.x` may compile differently there.
        """
        key = (flags & FUTURE_MASK, alone)
        if key not in self._codes:
            modules = [ast.Module([statement], []) for statement in self.tree.body] if alone else [self.tree]
            compiled = [quietly(compile, module, self.filename, "exec", key[0], True) for module in modules]
            self._codes[key] = [code for module in compiled for code in _inner_codes(module)]
        return self._codes[key]

    def scope_of(self, node: ast.AST) -> Scope:
        """The module, class or function in which a node stands."""
        parent = self.parents[node]
        return parent if isinstance(parent, Scope) else self.scope_of(parent)


def read_source(filename: str, namespace: dict[str, Any]) -> SourceFile | Problem:
    """Read the text behind a code object's file name, or say why there is none."""
    shown, path = shown_name(filename, namespace), Path(filename)
    if path.suffix != ".pyc" and path.is_file():
        with path.open("rb") as file:
            try:
                encoding, _ = tokenize.detect_encoding(file.readline)
            except SyntaxError as error:
                return Problem(shown, f"the file is not UTF-8 ({error}); save it as UTF-8")
        if encoding not in ("utf-8", "utf-8-sig"):
            return Problem(shown, f"the file declares the encoding {encoding!r}; save it as UTF-8")
    linecache.checkcache(filename)
    return SourceFile(filename, shown, tuple(linecache.getlines(filename, namespace)))


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


def quietly(function: Any, *arguments: Any, **settings: Any) -> Any:
    """Parse or compile without warnings: an odd escape in a string was said when the file was imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **settings)


def _inner_codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _inner_codes(constant)
