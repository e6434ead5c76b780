"""What travels with the function: the imports, literal constants and functions of its file that it looks up.

Each is carried only where it is provably the same thing as the live one, and refused by name otherwise.
"""

from __future__ import annotations

import ast
import builtins
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hyrax_runtime.replay_text import FUNCTION, is_literal

from hyrax_pack.capturing.assembling import function_text, stripped_annotations
from hyrax_pack.capturing.file_statements import FileStatement, statements_binding
from hyrax_pack.capturing.finding import Definition, Finder, alternatives
from hyrax_pack.capturing.forbidden import forbidden_constructs, imported_names, imports_inside
from hyrax_pack.capturing.kept_state import kept_state
from hyrax_pack.capturing.later_changes import later_changes
from hyrax_pack.capturing.live import Live, what_instead
from hyrax_pack.capturing.modules import is_module, refused_module, refused_name
from hyrax_pack.capturing.outer_names import is_dunder, outer_names
from hyrax_pack.capturing.signatures import against_the_call, is_same_literal, shown_value, signature_problems
from hyrax_pack.capturing.staying_behind import hides_a_builtin, refused_builtin, why_not
from hyrax_pack.capturing.surroundings import catches_any_warning, makes_warnings_errors
from hyrax_pack.errors import CaptureError, Problem


@dataclass
class Luggage:
    """What has been packed so far, and everything that could not be.

    `imports` (lines) and `constants` (text) stand under the name that they bind, `functions` under the name that they
    get in the text; `meaning` tells what an imported name is, dotted, and `inside` the same of the imports inside each
    function; `used_at` is where each of them is used first; `modules` is every module that the text imports.
    """

    requires: Sequence[str]
    finder: Finder = field(default_factory=Finder)
    late_annotations: bool = False
    imports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    meaning: dict[str, str] = field(default_factory=dict)
    inside: dict[str, dict[str, str]] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    functions: dict[str, tuple[Definition, str]] = field(default_factory=dict)
    used_at: dict[str, str] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def definitions(self) -> dict[str, Definition]:
        """Where each function of the text stands, by its name there."""
        return {name: definition for name, (definition, _) in self.functions.items()}


def pack_function(live: Live, luggage: Luggage) -> Definition:
    """Add the function as `to_tensor`, and all that it looks up, to `luggage`; what is against it joins the problems.

    Raises
    ------
    CaptureError
        The function itself has no text.
    """
    entry = luggage.finder.find(live.function)
    luggage.problems += against_the_call(live, entry)
    luggage.functions[FUNCTION] = (entry, function_text(entry, FUNCTION))
    packed: set[str] = set()
    while waiting := [name for name in luggage.functions if name not in packed]:
        for name in waiting:  # packing one may add others
            _pack_contents(name, luggage)
            packed.add(name)
    luggage.problems += _kept_state(luggage)
    luggage.problems += _strict_warnings(luggage)
    names = {*luggage.constants, *luggage.functions} - {FUNCTION}
    others = [definition.node for definition in luggage.definitions.values()]
    luggage.problems += later_changes(names, luggage.imports.keys(), entry, others)
    return entry


def _pack_contents(name: str, luggage: Luggage) -> None:
    """Add what one of the functions looks up, and its own problems."""
    definition, text = luggage.functions[name]
    luggage.late_annotations |= definition.late_annotations
    luggage.problems += signature_problems(definition, is_entry=name == FUNCTION)
    luggage.problems += alternatives(definition)
    inside = luggage.inside[name] = _pack_imports_inside(definition, luggage)
    for outer, line in outer_names(definition, text).items():
        if outer in definition.function.__code__.co_freevars:  # told as what it is: a closure
            continue
        _pack_name(outer, definition.where(line), definition, luggage)
    luggage.problems += forbidden_constructs(definition, luggage.meaning | inside)
    luggage.notes += [
        f"{definition.where(annotation)}: the annotation `{ast.unparse(annotation)}` stays behind; "
        "it would be evaluated where the text runs"
        for annotation in stripped_annotations(definition)
    ]


def _pack_imports_inside(definition: Definition, luggage: Luggage) -> dict[str, str]:
    """Check the imports of the body; give back what the sound ones bind."""
    bound: dict[str, str] = {}
    for node in imports_inside(definition):
        modules = list(imported_modules(node))
        refused = [what for module in modules if (what := _refused_import(module, node, definition, luggage))]
        if refused:
            luggage.problems += [Problem(definition.where(node), f"`{ast.unparse(node)}`: {what}") for what in refused]
        else:
            luggage.modules.update(modules)
            bound |= imported_names(node)
    return bound


def imported_modules(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The modules that an import statement needs; leading dots for a relative one."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    module = "." * node.level + (node.module or "")
    inner = [f"{module}.{alias.name}" for alias in node.names]
    yield from [name for name in inner if not node.level and is_module(name)] or [module]


def _refused_import(
    module: str, node: ast.Import | ast.ImportFrom, definition: Definition, luggage: Luggage
) -> str | None:
    if module.startswith("."):
        return "a relative import has no package where it runs; move what you need into the same file"
    names = [f"{module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
    refused = next((what for name in names if (what := refused_name(name))), None)
    return refused or refused_module(module, requires=luggage.requires, home=definition.function.__module__)


def _pack_name(name: str, where: str, definition: Definition, luggage: Luggage) -> None:
    namespace = definition.function.__globals__
    luggage.used_at.setdefault(name, where)
    if name in luggage.imports or name in luggage.constants:
        return
    if name not in namespace or is_dunder(name):
        what: str | None = refused_builtin(name)
    elif hasattr(builtins, name) and namespace[name] is not getattr(builtins, name):
        what = hides_a_builtin(name, definition)
    elif name == FUNCTION and namespace[name] is not definition.function:
        what = "the name that the captured function gets; rename the one that it calls"
    elif name in luggage.functions:
        return
    else:
        what = _pack_value(name, namespace[name], definition, luggage)
    if what:
        luggage.problems.append(Problem(where, f"`{name}`: {what}"))


def _pack_value(name: str, value: Any, definition: Definition, luggage: Luggage) -> str | None:
    """Pack what a global of the file stands for, or say why not."""
    statements = statements_binding(name, definition)
    if isinstance(value, types.ModuleType):
        return _pack_module(name, value, statements, definition, luggage)
    if isinstance(value, types.FunctionType) and value.__globals__ is definition.function.__globals__:
        return _pack_helper(name, value, luggage)
    imports = [one for one in statements if isinstance(one.node, ast.ImportFrom) and _imported_from(name, value, one)]
    if imports:
        return _pack_from_import(name, imports, definition, luggage)
    return _pack_constant(name, value, statements, definition, luggage)


def _pack_helper(name: str, value: types.FunctionType, luggage: Luggage) -> str | None:
    if what := what_instead(value, is_entry=False):
        return what
    try:
        definition = luggage.finder.find(value)
    except CaptureError as error:
        luggage.problems += error.problems
        return None
    luggage.functions[name] = (definition, function_text(definition, name))
    return None


def _pack_module(
    name: str, module: types.ModuleType, statements: list[FileStatement], definition: Definition, luggage: Luggage
) -> str | None:
    imports = [one for one in statements if isinstance(one.node, ast.Import | ast.ImportFrom)]
    if imports and all(one.conditional for one in imports):
        return _depends(imports)
    dotted = module.__name__
    if sys.modules.get(dotted) is not module:
        return f"a module object that `import {dotted}` does not give; import a real module"
    wanted = {dotted} | {
        alias.name
        for one in imports
        if isinstance(one.node, ast.Import)
        for alias in one.node.names
        if alias.asname is None and alias.name.startswith(f"{name}.") and name == dotted
    }
    luggage.meaning[name] = dotted  # where it is refused too: what is used of it may be beyond any leave
    for each in sorted(wanted):
        if what := refused_module(each, requires=luggage.requires, home=definition.function.__module__):
            return what
    luggage.modules |= wanted
    luggage.imports[name] = tuple(
        f"import {each}" if each == name or each != dotted else f"import {each} as {name}" for each in sorted(wanted)
    )
    return None


def _imported_from(name: str, value: Any, statement: FileStatement) -> ast.alias | None:
    """The alias of a from-import that gives this very object under this name."""
    node = statement.node
    assert isinstance(node, ast.ImportFrom)
    for alias in node.names:
        if (alias.asname or alias.name) == name:
            return alias
        module = sys.modules.get(node.module or "")
        if alias.name == "*" and not node.level and getattr(module, name, None) is value:
            return alias
    return None


def _pack_from_import(
    name: str, statements: list[FileStatement], definition: Definition, luggage: Luggage
) -> str | None:
    if all(one.conditional for one in statements):
        return _depends(statements)
    node = next(one.node for one in statements if not one.conditional)
    assert isinstance(node, ast.ImportFrom)
    written = next((alias.name for alias in node.names if (alias.asname or alias.name) == name), name)
    if node.level:
        return (
            f"`from {'.' * node.level}{node.module or ''} import {written}` has no package where it runs; "
            "move what you need into the same file"
        )
    module, value = str(node.module), definition.function.__globals__[name]
    what = refused_name(f"{module}.{written}") or refused_module(
        module, requires=luggage.requires, home=definition.function.__module__
    )
    if what:
        return what
    if getattr(sys.modules.get(module), written, None) is not value:
        return f"is no longer what `from {module} import {written}` gives; use the imported one"
    luggage.modules.add(module)
    luggage.meaning[name] = f"{module}.{written}"
    renamed = "" if written == name else f" as {name}"
    luggage.imports[name] = (f"from {module} import {written}{renamed}",)
    return None


def _pack_constant(
    name: str, value: Any, statements: list[FileStatement], definition: Definition, luggage: Luggage
) -> str | None:
    for statement in statements:
        written = statement.assigned_to(name)
        if written is None or statement.conditional or not is_literal(written):
            continue
        if is_same_literal(ast.literal_eval(written), value):
            whole = statement.whole_lines() if _is_plain_assignment(statement.node) else None
            luggage.constants[name] = whole or f"{name} = {statement.alone(written)}\n"
            return None
        return f"is {shown_value(value)} now, and {statement.segment(written)} in {statement.where}; write it inside"
    return why_not(value, name, statements, definition)


def _is_plain_assignment(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)


def _depends(statements: list[FileStatement]) -> str:
    return (
        f"imported under a condition ({statements[0].where}): the result would depend on what is installed; "
        "import it plainly"
    )


def _kept_state(luggage: Luggage) -> Iterator[Problem]:
    """What the functions, all of them together, keep from one call to the next."""
    definitions = luggage.definitions
    namespace = definitions[FUNCTION].function.__globals__
    changes = kept_state(
        {name: definition.node for name, definition in definitions.items()},
        {name: namespace[name] for name in luggage.constants},
        {name: luggage.meaning | luggage.inside[name] for name in definitions},
    )
    for name, node, what in changes:
        yield Problem(definitions[name].where(node), what)


def _strict_warnings(luggage: Luggage) -> Iterator[Problem]:
    """Filters of the file that make warnings errors, where a handler of the text would catch them."""
    for definition, _ in luggage.functions.values():
        line = catches_any_warning(definition.node)
        if line is None:
            continue
        for node in ast.walk(definition.source.tree):
            if makes_warnings_errors(node):
                yield Problem(
                    definition.where(node),
                    f"warnings become errors here, and the handler on line {line} catches them in training alone; "
                    "remove the filter, or name what the handler is for",
                )
