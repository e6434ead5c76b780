"""The captured text of `to_tensor`, and the steps that make it.

class --live--> function --finding--> its `def` --carrying--> what it needs --assembling--> text

The text, compiled by hyrax_runtime.replay, is what training, export and production call.
"""

from __future__ import annotations

import ast
import hashlib
import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hyrax_runtime.errors import TextError
from hyrax_runtime.manifest import Requirement
from hyrax_runtime.replay import compile_function
from hyrax_runtime.replay_text import FUNCTION, parse_text

from hyrax_pack.capturing.assembling import expected_node, places_of, text_of
from hyrax_pack.capturing.carrying import Luggage, imported_modules, pack_function
from hyrax_pack.capturing.code_equality import is_same_meaning
from hyrax_pack.capturing.finding import Definition
from hyrax_pack.capturing.live import live_function
from hyrax_pack.capturing.modules import requirements_of
from hyrax_pack.capturing.source_file import quietly
from hyrax_pack.capturing.syntax_age import newer_syntax
from hyrax_pack.errors import CaptureError, Problem


@dataclass(frozen=True)
class Captured:
    """A function as text that means the same anywhere.

    Attributes
    ----------
    text : str
        `from __future__`, imports, literal constants, helper functions, `to_tensor`.
    sha256 : str
        Of the text in UTF-8, hexadecimal.
    origin : str
        File and line of the function, such as `model.py:12`.
    requirements : tuple of Requirement
        Every module that the text imports, with distribution and version.
    notes : tuple of str
        What a user should know: another name, annotations that stayed behind.
    places : mapping of int to str
        Where lines of the text stand in the user's file, as `file:line`; empty where nobody knows any more.
    """

    text: str
    sha256: str
    origin: str
    requirements: tuple[Requirement, ...]
    notes: tuple[str, ...]
    places: Mapping[int, str] = field(default_factory=dict, compare=False, repr=False)

    def place(self, line: int) -> str:
        """Where a line of the text stands, for messages; empty for line 0, which stands for none."""
        return self.places.get(line, f"to_tensor.py:{line}") if line else ""

    def place_in(self, filename: str, line: int) -> str:
        """Where a line of a traceback stands: of this text, or of another file."""
        return self.place(line) if self.sha256[:12] in filename else f"{filename}, line {line}"

    def compile(self) -> Callable[[Any], Any]:
        """Give the function that the text defines: the one that training calls."""
        return compile_function(self.text)


def capture(owner: type | Callable[..., Any], *, name: str | None = None, requires: Sequence[str] = ()) -> Captured:
    """Turn `to_tensor` of a class, or a function, into text. Runs nothing of it.

    Parameters
    ----------
    owner : type or callable
        The model class (its `to_tensor`, else `prepare_inputs`), or the function itself.
    name : str, optional
        Another attribute of the class.
    requires : sequence of str
        `[model] requires`: modules beyond numpy and the computing parts of the standard library.

    Raises
    ------
    CaptureError
        Lists every problem with file, line and cure.
    """
    live = live_function(owner, name)
    luggage = Luggage(tuple(requires))
    definition = pack_function(live, luggage)
    future = ["from __future__ import annotations"] if luggage.late_annotations else []
    imports = {line for lines in luggage.imports.values() for line in lines}
    helpers = [text for helper, (_, text) in luggage.functions.items() if helper != FUNCTION]
    text = text_of(future, imports, luggage.constants.values(), [*helpers, luggage.functions[FUNCTION][1]])
    problems = luggage.problems or list(_differences(text, luggage))
    if problems:
        source = f"{live.function.__qualname__} cannot be captured"
        raise CaptureError(source, sorted(set(problems), key=_place))
    return Captured(
        text,
        _digest(text),
        definition.origin,
        requirements_of(luggage.modules),
        (*_naming_notes(definition), *luggage.notes),
        dict(places_of(quietly(ast.parse, text), luggage.definitions, luggage.used_at)),
    )


def captured_before(text: str, origin: str) -> Captured:
    """Take up a text that was captured in an earlier process, such as a run's `to_tensor.py`.

    Parameters
    ----------
    text : str
        The text.
    origin : str
        Where it came from, such as `model.py:12`.

    Raises
    ------
    TextError
        It is no captured text.
    """
    tree = parse_text(text, origin)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {module for node in imports for module in imported_modules(node)} - {"__future__"}
    return Captured(text, _digest(text), origin, requirements_of(modules), ())


def same_code(one: str, other: str) -> bool:
    """Whether two captured texts are the same code: comments and layout may differ, nothing else."""
    return bool(ast.dump(quietly(ast.parse, one)) == ast.dump(quietly(ast.parse, other)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _differences(text: str, luggage: Luggage) -> list[Problem]:
    """What the text as a whole breaks: it must be a captured text, and mean what the file means."""
    origin = luggage.functions[FUNCTION][0]
    place = origin.where(origin.node)
    try:
        tree = parse_text(text, "to_tensor.py")
    except TextError as error:
        return [_in_the_file(problem, text, luggage, place) for problem in error.problems]
    if what := newer_syntax(text):
        return [Problem(place, what)]
    written = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    codes = {
        code.co_name: code
        for code in quietly(compile, text, "to_tensor.py", "exec", dont_inherit=True).co_consts
        if isinstance(code, types.CodeType)
    }
    return [
        Problem(definition.where(definition.node), "cannot be moved to the left margin without changing its meaning")
        for name, (definition, _) in luggage.functions.items()
        if ast.dump(written[name]) != ast.dump(expected_node(definition, name))
        or not is_same_meaning(codes[name], definition.function.__code__)
    ]


def _in_the_file(problem: Problem, text: str, luggage: Luggage, place: str) -> Problem:
    """A problem of the text with its place in the user's file, where its lines can be told."""
    places: dict[int, str] = {}
    with suppress(SyntaxError, ValueError, KeyError):  # then it is the text that is wrong
        places |= places_of(quietly(ast.parse, text), luggage.definitions, luggage.used_at)
    _, _, line = problem.where.partition("line ")
    if line.isdigit() and int(line) in places:
        return Problem(places[int(line)], problem.what)
    return Problem(place, f"the captured text, {problem}")


def _naming_notes(definition: Definition) -> list[str]:
    notes = []
    if definition.node.name != FUNCTION:
        notes.append(f"{definition.origin}: {definition.node.name} is captured under the name {FUNCTION}")
    if others := definition.rebound_on():
        lines = ", ".join(map(str, others))
        notes.append(f"{definition.origin}: {definition.node.name} is also defined on line {lines}; this one is meant")
    return notes


def _place(problem: Problem) -> tuple[str, int, str]:
    file, _, line = problem.where.rpartition(":")
    return file, int(line) if line.isdigit() else 0, problem.what
