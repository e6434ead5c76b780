"""What the text takes from modules, such as `np.nan_to_num`: the same things here as in a process that nobody prepared.

A project may have put its own function in the place of numpy's. Then the text means one thing in training, where the
project was imported, and another where the bundle runs.

Runs in the fresh process too (see hyrax_pack.capturing.fresh_process): only the standard library is there.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import sys
import types
import warnings
from typing import Any

_PLAIN = (bool, bytes, complex, float, int, str, type(None))


def taken_from_modules(text: str) -> dict[str, int]:
    """Dotted names of everything that the text takes from the modules that it imports, with the line of first use.

    Examples
    --------
    >>> taken_from_modules("import numpy as np\\ndef f(x):\\n    return np.linalg.norm(x)\\n")
    {'numpy.linalg.norm': 3}
    """
    tree = ast.parse(text)
    names: dict[str, str] = {}
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                found.setdefault(f"{node.module}.{alias.name}", node.lineno)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (dotted := _dotted(node, names)):
            found[dotted] = min(node.lineno, found.get(dotted, node.lineno))
    return {name: line for name, line in found.items() if not any(other.startswith(f"{name}.") for other in found)}


def describe(dotted: str) -> str:
    """What stands under a dotted name in this process, so that two processes can compare it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # asking for an old name warns
        parts = dotted.split(".")
        value = _module(parts)
        words = []
        for part in parts[1:]:
            value = getattr(value, part, _MISSING)
            words.append(_words(value))
            if value is _MISSING or not isinstance(value, types.ModuleType | type):
                break
    return " / ".join(words)


_MISSING = object()


def _module(parts: list[str]) -> Any:
    """The top module, with the modules below it that stand in the name imported."""
    for end in range(1, len(parts) + 1):
        name = ".".join(parts[:end])
        with contextlib.suppress(Exception):  # a part that is no module, or one that fails: compared all the same
            importlib.import_module(name)
            continue
        break
    return sys.modules.get(parts[0], _MISSING)


def _dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        start = _dotted(node.value, names)
        return f"{start}.{node.attr}" if start else None
    return None


def _words(value: Any) -> str:
    if value is _MISSING:
        return "nothing"
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, types.ModuleType):
        return f"the module {value.__name__}"
    if isinstance(value, type):
        return f"the class {value.__module__}.{value.__qualname__}"
    name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', getattr(value, '__name__', ''))}"
    code = getattr(getattr(value, "_implementation", value), "__code__", None)  # numpy keeps its Python inside
    where = ""
    if isinstance(code, types.CodeType):
        digest = hashlib.sha256(code.co_code + repr(code.co_names).encode()).hexdigest()[:8]
        where = f" ({code.co_filename}:{code.co_firstlineno}, {digest})"
    return f"the {type(value).__name__} {name}{where}"
