"""What a function brings besides its body: closure, defaults, decorators, attributes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from hyrax_runtime.replay_text import is_literal, takes_one_argument

from hyrax_pack.capturing.finding import Definition
from hyrax_pack.capturing.live import Live
from hyrax_pack.errors import Problem

_MISSING = object()


def against_the_call(live: Live, definition: Definition) -> Iterator[Problem]:
    """Why `to_tensor` itself cannot be called with data_dict alone, as a function that nothing is wrapped around."""
    node = definition.node
    if live.problem:
        yield live.problem
    if live.is_bound:
        yield from _of_the_instance(definition)
    elif not takes_one_argument(node.args):
        yield Problem(
            definition.where(node), f"`{node.name}({ast.unparse(node.args)})` is called with data_dict alone; take that"
        )
    if not live.is_wrapped:
        yield from _decorator_problems(definition)


def signature_problems(definition: Definition, *, is_entry: bool) -> Iterator[Problem]:
    """Everything about a function, apart from its body, that has no text of its own.

    `is_entry` is whether it is `to_tensor` itself, see `against_the_call`.
    """
    yield from _closure_problems(definition)
    if not is_entry:
        yield from _decorator_problems(definition)
    yield from _default_problems(definition)
    node = definition.node
    if definition.function.__dict__:
        names = ", ".join(f"`{name}`" for name in definition.function.__dict__)
        yield Problem(
            definition.where(node), f"the function carries the attributes {names}, which have no text; remove them"
        )
    if getattr(node, "type_params", None):
        yield Problem(definition.where(node), "type parameters are newer than Python 3.11; remove them")


def is_same_literal(written: Any, live: Any) -> bool:
    """Whether two values are the same literal: same types all the way down, -0.0 apart from 0.0.

    Examples
    --------
    >>> is_same_literal((1, {"a": 2.0}), (1, {"a": 2.0})), is_same_literal(1, True)
    (True, False)
    """
    if type(written) is not type(live):
        return False
    if isinstance(written, tuple | list):
        return len(written) == len(live) and all(map(is_same_literal, written, live))
    if isinstance(written, dict):
        return is_same_literal(list(written.items()), list(live.items()))
    return repr(written) == repr(live)


def shown_value(value: Any) -> str:
    """A value in a message: short, on one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _closure_problems(definition: Definition) -> Iterator[Problem]:
    function = definition.function
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if name == "__class__":
            calls = [part for part in ast.walk(definition.node) if isinstance(part, ast.Name) and part.id == "super"]
            yield Problem(
                definition.where(calls[0] if calls else definition.node),
                "`super()` needs the class, which is not there where the text runs; call a function of the file",
            )
            continue
        try:
            value = f" = {shown_value(cell.cell_contents)}"
        except ValueError:  # not bound yet
            value = ""
        lines = [part.lineno for part in ast.walk(definition.node) if isinstance(part, ast.Name) and part.id == name]
        yield Problem(
            definition.where(min(lines, default=definition.node.lineno)),
            f"`{name}`{value} comes from the function around it (a closure); write it inside, or give it as a field",
        )


def _of_the_instance(definition: Definition) -> Iterator[Problem]:
    """What a method takes from its instance or class, each once."""
    signature = definition.node.args
    first = {argument.arg for argument in [*signature.posonlyargs, *signature.args][:1]}
    taken = {
        node.attr: node
        for node in ast.walk(definition.node)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in first
    }
    for node in taken.values():
        what = "belongs to what inference does not have; write it inside, or give it as a field"
        yield Problem(definition.where(node), f"`{ast.unparse(node)}` {what}")


def _decorator_problems(definition: Definition) -> Iterator[Problem]:
    for decorator in definition.node.decorator_list:
        if not (isinstance(decorator, ast.Name) and decorator.id == "staticmethod"):
            yield Problem(
                definition.where(decorator),
                f"the decorator `@{ast.unparse(decorator)}` does not travel; remove it, or do its work inside",
            )


def _default_problems(definition: Definition) -> Iterator[Problem]:
    for name, default, live in _defaults(definition):
        where, written = definition.where(default), ast.unparse(default)
        if not is_literal(default):
            yield Problem(
                where, f"the default `{name}={written}` is computed when the file is imported; write the value itself"
            )
        elif any(isinstance(part, ast.List | ast.Dict) for part in ast.walk(default)):
            yield Problem(where, f"the default `{name}={written}` lives on between calls; write `{name}=None`")
        elif not is_same_literal(ast.literal_eval(default), live):
            found = "none" if live is _MISSING else shown_value(live)
            yield Problem(
                where, f"the default `{name}={written}` is {found} in the running function; write the one that is meant"
            )


def _defaults(definition: Definition) -> Iterator[tuple[str, ast.expr, Any]]:
    """Each default of the signature: name, as written, and as it is in the running function."""
    signature, function = definition.node.args, definition.function
    positional = [*signature.posonlyargs, *signature.args]
    names = [argument.arg for argument in positional]
    live = dict(zip(reversed(names), reversed(function.__defaults__ or ()), strict=False))
    with_default = positional[len(positional) - len(signature.defaults) :]
    for argument, default in zip(with_default, signature.defaults, strict=True):
        yield argument.arg, default, live.get(argument.arg, _MISSING)
    for argument, keyword_default in zip(signature.kwonlyargs, signature.kw_defaults, strict=True):
        if keyword_default is not None:
            yield argument.arg, keyword_default, (function.__kwdefaults__ or {}).get(argument.arg, _MISSING)
