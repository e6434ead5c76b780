"""Why something that the function looks up stays behind, in words, with the cure."""

from __future__ import annotations

import ast
import logging
import types
from collections.abc import Sequence
from typing import Any

from hyrax_runtime.replay_text import FUNCTION

from hyrax_pack.capturing.file_statements import FileStatement, statements_binding
from hyrax_pack.capturing.finding import Definition
from hyrax_pack.capturing.forbidden import BUILTINS
from hyrax_pack.capturing.live import what_instead
from hyrax_pack.capturing.outer_names import is_dunder, is_pythons_own
from hyrax_pack.capturing.signatures import shown_value
from hyrax_pack.capturing.source_file import shown_name


def refused_builtin(name: str) -> str | None:
    """Why a name that is no global of the file cannot be used; None for what Python itself has everywhere."""
    if name in BUILTINS:
        return BUILTINS[name]
    if is_pythons_own(name):
        return None
    if is_dunder(name):
        return "belongs to your module and is another where the text runs; write the value itself"
    return "is not defined; define it inside, or mend the spelling"


def hides_a_builtin(name: str, definition: Definition) -> str:
    """What to do about a global that has the name of a built-in, as after `from numpy import *`."""
    imports = [one.node for one in statements_binding(name, definition) if isinstance(one.node, ast.ImportFrom)]
    cure = f"write `import {imports[0].module}` and `{imports[0].module}.{name}`" if imports else "rename it"
    return f"a global of your file that hides Python's own `{name}`; {cure}"


def why_not(value: Any, name: str, statements: Sequence[FileStatement], definition: Definition) -> str:
    """What a global of the file is, that it does not travel, and what to do.

    Parameters
    ----------
    value : object
        What the name stands for now.
    name : str
    statements : sequence of FileStatement
        Those that bind it.
    definition : Definition
        The function that uses it.
    """
    inside = "move it inside the function, or give it as a field"
    kind = type(value)
    if isinstance(value, type):
        return f"the class {value.__qualname__} is not there where the text runs; {_out_of_the_class(name, definition)}"
    if isinstance(value, logging.Logger):
        return "a logger; remove it: what production should hear of is an error that the function raises"
    if kind.__module__.partition(".")[0] == "torch":
        return f"a {kind.__module__}.{kind.__qualname__}; torch will be missing where it runs, write it with numpy"
    if isinstance(value, types.FunctionType):
        code = value.__code__
        place = f"{shown_name(code.co_filename, value.__globals__)}:{code.co_firstlineno}"
        return f"a function of another file ({place}); move it into this one"
    if callable(value) and (what := what_instead(value)):
        return what
    if isinstance(value, set | frozenset):
        return "a set, which has no order and no literal here; write it as a tuple"
    if kind.__name__ == "ndarray":
        return f"an array of shape {value.shape} made when the file was imported; {inside}"
    assigned = [(one, written) for one in statements if (written := one.assigned_to(name)) is not None]
    if assigned and any(one.conditional for one, _ in assigned):
        return f"{shown_value(value)} was assigned under a condition ({assigned[0][0].where}); {inside}"
    if assigned:
        one, written = assigned[0]
        return f"`{_shown_segment(one.segment(written))}` ({one.where}) is no literal but computed; {inside}"
    return f"{shown_value(value)} of type {kind.__qualname__} is no literal of the file; {inside}"


def _shown_segment(text: str) -> str:
    """A piece of the user's text in a message: short, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def _out_of_the_class(name: str, definition: Definition) -> str:
    named = [node for node in ast.walk(definition.node) if isinstance(node, ast.Name) and node.id == name]
    parents = [definition.source.parents[node] for node in named]
    used = {parent.attr: None for parent in parents if isinstance(parent, ast.Attribute)}
    if any(map(is_dunder, used)) or not all(isinstance(parent, ast.Attribute) for parent in parents):
        return "write what you need from it inside"
    names = ", ".join(f"`{attribute}`" for attribute in used)
    if FUNCTION in used:
        return f"move {names} out of the class, to the top of the file, under another name than `{FUNCTION}`"
    return f"move {names} out of the class, to the top of the file, and write {names} without `{name}.`"
