"""Every name that a function looks up outside itself, with the line where it does.

symtable decides, over the text that will travel: defaults, nested functions, lambdas, comprehensions, class bodies and
f-strings included. Annotations of local variables are never evaluated, so names that only they use are left out.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterator, Mapping

from hyrax_pack.capturing.finding import Definition
from hyrax_pack.capturing.source_file import quietly

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def outer_names(definition: Definition, text: str) -> dict[str, int]:
    """Names looked up outside the function, in order of first use, each with its line in the user's file.

    Parameters
    ----------
    definition : Definition
        Where the function stands; gives the lines.
    text : str
        The function alone, at column 0, as it will travel.
    """
    outside = set(_global_names(quietly(symtable.symtable, text, "to_tensor.py", "exec")))
    places: dict[str, tuple[int, int]] = {}
    for node in _evaluated(definition.node, definition.late_annotations):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in outside:
            place = (node.lineno, node.col_offset)
            places[node.id] = min(place, places.get(node.id, place))
    return {name: places[name][0] for name in sorted(places, key=places.__getitem__)}


def is_pythons_own(name: str) -> bool:
    """Whether the name is one of Python's own built-ins, and not one that a prompt or a notebook has added."""
    value = getattr(builtins, name, None)
    return value is not None and (
        name in ("Ellipsis", "NotImplemented", "__debug__") or getattr(value, "__module__", None) in ("builtins", "_io")
    )


def is_dunder(name: str) -> bool:
    """Whether the name is of the kind that Python keeps for itself, such as `__name__`."""
    return name.startswith("__") and name.endswith("__")


def dotted_name(node: ast.expr, imported: Mapping[str, str]) -> str | None:
    """What `np.linalg.norm` is in full, such as `numpy.linalg.norm`; None for what is no name of an import."""
    if isinstance(node, ast.Name):
        return imported.get(node.id)
    if isinstance(node, ast.Attribute):
        start = dotted_name(node.value, imported)
        return f"{start}.{node.attr}" if start else None
    return None


def _global_names(table: symtable.SymbolTable) -> Iterator[str]:
    """Names of a table and its children that are looked up globally (in a class body, that may be)."""
    for symbol in table.get_symbols():
        in_class = table.get_type() == "class" and symbol.is_local()
        if table.get_type() != "module" and symbol.is_referenced() and (symbol.is_global() or in_class):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _global_names(child)


def _evaluated(node: ast.AST, late_annotations: bool) -> Iterator[ast.AST]:
    """The parts of a captured function that run, in no order; its own signature is checked elsewhere."""
    stack: list[tuple[ast.AST, bool]] = [(child, False) for child in getattr(node, "body", [])]
    while stack:
        part, in_class = stack.pop()
        yield part
        in_class = isinstance(part, ast.ClassDef) or (in_class and not isinstance(part, _FUNCTIONS))
        annotation = None if _is_evaluated(part, in_class, late_annotations) else _annotation(part)
        stack.extend((child, in_class) for child in ast.iter_child_nodes(part) if child is not annotation)


def _annotation(node: ast.AST) -> ast.AST | None:
    return getattr(node, "annotation", None) or getattr(node, "returns", None)


def _is_evaluated(node: ast.AST, in_class: bool, late_annotations: bool) -> bool:
    """Whether the annotation of a node is: that of a function's local variable never is."""
    return not late_annotations and (in_class or not isinstance(node, ast.AnnAssign))
