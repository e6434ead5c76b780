"""Constructs that make the result depend on the machine, the moment or the call before: a lint, no security check.

Python is no sandbox, and nothing here is meant as one: this finds what a scientist writes by habit. What it cannot see
shows when the text is run twice (see hyrax_pack.capturing.proving).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from hyrax_runtime.replay_text import character_problem, name_problem

from hyrax_pack.capturing.finding import Definition
from hyrax_pack.capturing.hash_order import names_of_sets, order_of_a_set
from hyrax_pack.capturing.modules import refused_name
from hyrax_pack.capturing.outer_names import dotted_name
from hyrax_pack.capturing.surroundings import surroundings_problem
from hyrax_pack.errors import Problem

BUILTINS: Mapping[str, str] = {
    "eval": "runs text that cannot be seen here; write the expression itself",
    "exec": "runs text that cannot be seen here; write the statements themselves",
    "compile": "runs text that cannot be seen here; write the statements themselves",
    "__import__": "imports what cannot be seen here; write a plain import",
    "globals": "looks at whatever surrounds the function, which is not there where it runs; name what you need",
    "locals": "depends on the names of variables; name what you need",
    "vars": "depends on the names of variables; name what you need",
    "open": "reads or writes a file; give its content as a field, or write it into the text",
    "input": "waits for a person; give the value as a field",
    "breakpoint": "stops for a person; remove it",
    "help": "prints; remove it",
    "print": "prints at every call; remove it",
    "exit": "ends the program; raise ValueError",
    "quit": "ends the program; raise ValueError",
    "SystemExit": "ends the program; raise ValueError",
    "KeyboardInterrupt": "stops the program; raise ValueError",
    "id": "gives another number in each run; compare with `is`",
    "hash": "gives another number for a string in each run; use hashlib",
}

_INSIDES = frozenset(
    {"__builtins__", "__closure__", "__code__", "__globals__", "__hash__", "__import__", "__subclasses__"}
)
_PLACES = frozenset({"__array_interface__", "__array_struct__", "ctypes"})  # where an array lies in memory
_WRITERS = frozenset({"dump", "tofile", "write_bytes", "write_text"})  # methods of an array or path
_READERS = frozenset({"is_dir", "is_file", "iterdir", "read_bytes", "read_text"})  # methods of a path


def forbidden_constructs(definition: Definition, imported: Mapping[str, str]) -> Iterator[Problem]:
    """Every construct of the function that cannot travel, with its line and the cure.

    Parameters
    ----------
    definition : Definition
        The function.
    imported : mapping of str to str
        What the imports inside it and above it bind: name -> dotted name.
    """
    walk = _Walk(definition.node, imported)
    yield from _hidden_characters(definition)
    for statement in definition.node.body:
        for node, what in walk.problems(statement):
            place = node.iter if isinstance(node, ast.comprehension) else node
            yield Problem(definition.where(place), what)
    if definition.in_class:
        yield from _mangled_names(definition)


def imports_inside(definition: Definition) -> Iterator[ast.Import | ast.ImportFrom]:
    """Each import statement of the body."""
    yield from (node for node in ast.walk(definition.node) if isinstance(node, ast.Import | ast.ImportFrom))


def imported_names(node: ast.Import | ast.ImportFrom) -> dict[str, str]:
    """What an import binds: name -> dotted name."""
    if isinstance(node, ast.ImportFrom):
        return {alias.asname or alias.name: f"{node.module or ''}.{alias.name}" for alias in node.names}
    return {
        alias.asname or alias.name.partition(".")[0]: alias.name if alias.asname else alias.name.partition(".")[0]
        for alias in node.names
    }


def _aliases(function: ast.AST, imported: Mapping[str, str]) -> dict[str, str]:
    """Other names of what was imported: `stamp = datetime.datetime`."""
    return {
        node.targets[0].id: dotted
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
        if (dotted := dotted_name(node.value, imported))
    }


class _Walk:
    """Goes through a function, and knows what stands around each node."""

    def __init__(self, function: ast.AST, imported: Mapping[str, str]) -> None:
        self._function = function
        self._imported = dict(imported) | _aliases(function, imported)
        self._sets = names_of_sets(function)
        self._within: list[ast.AST] = []

    def problems(self, node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
        """Every node below this one that is wrong, with what is wrong with it."""
        what = self._what_is_wrong(node)
        if what:
            yield node, what
        if isinstance(node, ast.Attribute) and what:
            return  # np.random.normal: said once for the whole name
        self._within.append(node)
        for child in ast.iter_child_nodes(node):
            yield from self.problems(child)
        self._within.pop()

    def _what_is_wrong(self, node: ast.AST) -> str | None:
        return (
            _what_is_wrong(node, self._within, self._imported)
            or order_of_a_set(node, self._within, self._sets)
            or surroundings_problem(node, self._within, self._imported, self._function)
        )


def _what_is_wrong(node: ast.AST, within: list[ast.AST], imported: Mapping[str, str]) -> str | None:
    if isinstance(node, ast.Global | ast.Nonlocal):
        word = type(node).__name__.lower()
        return f"`{word} {', '.join(node.names)}` keeps state between calls; return what you computed instead"
    if isinstance(node, ast.Import | ast.ImportFrom):
        return _import_that_depends(node, within)
    if isinstance(node, ast.Attribute):
        inside_another = bool(within) and isinstance(within[-1], ast.Attribute)
        return _attribute(node, {} if inside_another else imported)  # the whole name has been judged already
    if isinstance(node, ast.Call):
        return _call(node, imported)
    if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith | ast.AsyncFunctionDef):
        return "awaits; tensors are computed, not awaited"
    return None


def _import_that_depends(node: ast.Import | ast.ImportFrom, within: list[ast.AST]) -> str | None:
    if any(isinstance(outer, ast.Try | ast.TryStar | ast.With) for outer in within):
        return (
            f"`{ast.unparse(node)}` inside {'with' if isinstance(within[-1], ast.With) else 'try'}: the result would "
            "depend on what is installed; import it plainly"
        )
    return None


def _attribute(node: ast.Attribute, imported: Mapping[str, str]) -> str | None:
    dotted = dotted_name(node, imported)
    if dotted and (what := refused_name(dotted)):
        return f"`{ast.unparse(node)}`: {what}"
    if node.attr in _INSIDES:
        return f"`.{node.attr}` reaches into Python itself; write what is meant"
    if node.attr in _WRITERS:
        return f"`.{node.attr}` writes a file; remove it"
    if node.attr in _READERS:
        return f"`.{node.attr}` looks at the files of the machine; give what it finds as a field"
    if node.attr in _PLACES:
        return f"`.{node.attr}` tells where the array lies in memory, which differs from call to call; remove it"
    return None


def _call(node: ast.Call, imported: Mapping[str, str]) -> str | None:
    called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    first = node.args[0] if node.args else None
    if called == "getattr" and first is not None and (dotted := dotted_name(first, imported)):
        named = [part.value for part in node.args[1:2] if isinstance(part, ast.Constant)]
        what = next((what for name in named if (what := refused_name(f"{dotted}.{name!s}"))), None)
        return f"`{ast.unparse(node)}`: {what}" if what else None
    return None


def _hidden_characters(definition: Definition) -> Iterator[Problem]:
    first, last = definition.node.lineno, definition.node.end_lineno or 0
    for number in range(first, last + 1):
        if found := character_problem(definition.source.lines[number - 1]):
            yield Problem(definition.where(number), f"{found[1]} hides what is written; remove it")
    for name, line in _names(definition.node):
        if what := name_problem(name):
            yield Problem(definition.where(line), what)


def _mangled_names(definition: Definition) -> Iterator[Problem]:
    seen: set[str] = set()
    for name, line in _names(definition.node):
        if name.startswith("__") and not name.endswith("__") and name not in seen:
            seen.add(name)
            yield Problem(
                definition.where(line),
                f"`{name}` is another name inside a class than outside; begin it with one underscore",
            )


def _names(node: ast.AST) -> Iterator[tuple[str, int]]:
    for part in ast.walk(node):
        for attribute in ("id", "arg", "attr"):
            name = getattr(part, attribute, None)
            if isinstance(name, str):
                yield name, getattr(part, "lineno", 0)
