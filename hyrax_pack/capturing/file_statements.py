"""The statements that stand outside the functions of a file, or of all cells of a notebook so far."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from hyrax_pack.capturing.finding import Definition
from hyrax_pack.capturing.source_file import bound_names, quietly

_BODIES = ("body", "orelse", "handlers", "finalbody", "cases")


@dataclass(frozen=True)
class FileStatement:
    """A statement, whether a condition stands above it, and where its text is."""

    node: ast.stmt
    conditional: bool
    shown: str
    lines: tuple[str, ...]

    @property
    def where(self) -> str:
        """`file:line`."""
        return f"{self.shown}:{self.node.lineno}"

    def segment(self, node: ast.expr) -> str:
        """The text of an expression, as written."""
        return ast.get_source_segment("".join(self.lines), node) or ast.unparse(node)

    def alone(self, node: ast.expr) -> str:
        """The text of an expression as it may follow `name = `: some need the brackets that stood around them."""
        text = self.segment(node)
        try:
            (statement,) = quietly(ast.parse, f"x = {text}").body
        except (SyntaxError, ValueError):
            return f"({text})"
        return text if ast.dump(statement.value) == ast.dump(node) else f"({text})"

    def assigned_to(self, name: str) -> ast.expr | None:
        """The expression that the statement assigns to the name; `a, b = 1, 2` is taken apart."""
        node = self.node
        if isinstance(node, ast.AnnAssign):
            return node.value if isinstance(node.target, ast.Name) else None
        if not isinstance(node, ast.Assign):
            return None
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id == name:
                return node.value
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                for part, written in zip(target.elts, node.value.elts, strict=False):
                    if isinstance(part, ast.Name) and part.id == name:
                        return written
        return None

    def whole_lines(self) -> str | None:
        """The statement's lines with their comments; None where it shares them with another statement."""
        node = self.node
        lines = self.lines[node.lineno - 1 : node.end_lineno]
        rest = lines[-1].encode()[node.end_col_offset :].decode().strip()
        return "".join(lines) if node.col_offset == 0 and (not rest or rest.startswith("#")) else None


def statements_binding(name: str, definition: Definition) -> list[FileStatement]:
    """The statements outside functions that bind `name`, last first; `from x import *` counts for every name."""
    found = [
        statement
        for statement in statements_of(definition)
        if {name, "*"} & set(bound_names(statement.node)) or _is_bound_by_loop(name, statement.node)
    ]
    return found[::-1]


def statements_of(definition: Definition) -> Iterator[FileStatement]:
    """The statements outside functions, in their order, those under conditions included."""
    cells = definition.function.__globals__.get("In")
    if "__file__" not in definition.function.__globals__ and isinstance(cells, list):
        for number, cell in enumerate(cells):
            lines = tuple(f"{line}\n" for line in str(cell).split("\n"))
            yield from _flat(_parsed_cell(str(cell)), False, f"notebook cell {number}", lines)
    else:
        yield from _flat(definition.source.tree.body, False, definition.source.shown, definition.source.lines)


def _parsed_cell(cell: str) -> list[ast.stmt]:
    try:
        module: ast.Module = quietly(ast.parse, cell)
    except SyntaxError:  # a cell that failed bound nothing
        return []
    return module.body


def _flat(body: list[ast.stmt], conditional: bool, shown: str, lines: tuple[str, ...]) -> Iterator[FileStatement]:
    for node in body:
        yield FileStatement(node, conditional, shown, lines)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for inner in _inner_bodies(node):
            yield from _flat(inner, True, shown, lines)


def _inner_bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for name in _BODIES:
        inner = getattr(node, name, None) or []
        if inner and isinstance(inner[0], ast.stmt):
            yield inner
        else:  # except handlers, match cases
            for part in inner:
                yield from _inner_bodies(part)


def _is_bound_by_loop(name: str, node: ast.stmt) -> bool:
    targets = [node.target] if isinstance(node, ast.For) else []
    targets += [item.optional_vars for item in node.items if item.optional_vars] if isinstance(node, ast.With) else []
    return any(isinstance(part, ast.Name) and part.id == name for target in targets for part in ast.walk(target))
