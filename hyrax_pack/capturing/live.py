"""From a class or a callable to the plain live function, or a refusal in the words of what it is instead."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hyrax_pack.capturing.source_file import quietly, shown_name
from hyrax_pack.errors import CaptureError, Problem

NAMES = ("to_tensor", "prepare_inputs")  # our own word first


@dataclass(frozen=True)
class Live:
    """A live function, and what is already known against it.

    Attributes
    ----------
    function : function
        Plain: of what wraps it, or binds it to an instance, `problem` says that it must go.
    problem : Problem or None
    is_bound : bool
        Its first argument is an instance or a class.
    is_wrapped : bool
        A decorator has put something around it, and `problem` names it.
    """

    function: types.FunctionType
    problem: Problem | None = None
    is_bound: bool = False
    is_wrapped: bool = False


def live_function(owner: type | Callable[..., Any], name: str | None = None) -> Live:
    """Find the function that `owner.to_tensor(data_dict)` calls, or `owner` itself where it is a function.

    Parameters
    ----------
    owner : type or callable
        The model class, or the function.
    name : str, optional
        The class's attribute; `to_tensor`, else `prepare_inputs`, where not given.

    Raises
    ------
    CaptureError
        It is missing, or is a lambda, partial, built-in, ufunc or other object without text.
    """
    if not isinstance(owner, type):
        shown = getattr(owner, "__qualname__", None) or type(owner).__name__
        return _plain(owner, shown, _place_of(owner))
    attribute = name or next((known for known in NAMES if _static(owner, known) is not None), NAMES[0])
    value = _static(owner, attribute)
    shown, place = f"{owner.__qualname__}.{attribute}", _place_in_class(owner, attribute)
    if value is None:
        raise _refusal(
            shown, place, f"the class has no {attribute}; write `@staticmethod` and `def {attribute}(data_dict): ...`"
        )
    if isinstance(value, staticmethod):
        return _plain(value.__func__, shown, place)
    if isinstance(value, types.FunctionType) and _stands_in_class(value, owner):
        what = (
            "a method, bound to an instance that inference does not have; write @staticmethod above it and take "
            "data_dict alone"
        )
        return Live(value, Problem(place, what), is_bound=True)
    return _plain(value, shown, place)


def _plain(value: Any, shown: str, place: str) -> Live:
    what = what_instead(value)
    if what is None:
        return Live(value)
    is_bound = isinstance(value, classmethod)
    inside = value.__func__ if is_bound else inspect.unwrap(value)
    if what_instead(inside) is not None:
        raise _refusal(shown, place, what)
    return Live(inside, Problem(place, what), is_bound, is_wrapped=True)


def what_instead(value: Any, *, is_entry: bool = True) -> str | None:
    """Why the object is no plain function, with the cure; None where it is one.

    A function that `to_tensor` calls, which is not `is_entry`, may be a generator.
    """
    wrapped = getattr(value, "__wrapped__", None) or getattr(value, "py_func", None)
    if wrapped is not None and not isinstance(value, classmethod):
        kind = type(value).__module__.partition(".")[0]
        by = "functools.lru_cache" if kind == "functools" else kind if kind != "builtins" else "a decorator"
        return (
            f"wrapped by {by} ({_decorators_of(wrapped)}), which would not travel; "
            "remove the decorator, or do its work inside"
        )
    if isinstance(value, types.FunctionType):
        if value.__code__.co_name == "<lambda>":
            return "a lambda; write a `def` with a name"
        return _what_flags_say(value, is_entry=is_entry)
    if isinstance(value, functools.partial):
        return f"a functools.partial of {_name(value.func)}; write a `def` that holds the arguments"
    if isinstance(value, classmethod):
        return "a class method, and inference has no class; write @staticmethod and take data_dict alone"
    if isinstance(value, types.MethodType):
        return f"a method of a {type(value.__self__).__name__} object; write a function that needs no object"
    if isinstance(value, types.BuiltinFunctionType):
        return f"the built-in {_name(value)}, which has no text; write a `def` that calls it"
    if type(value).__module__ == "numpy" and type(value).__name__ == "ufunc":
        return f"the numpy ufunc {value.__name__}, which has no text; write a `def` that calls it"
    if isinstance(value, property):
        return "a property; write @staticmethod and take data_dict alone"
    if isinstance(value, type):
        return f"the class {value.__qualname__}; write a function"
    if callable(value):
        return f"a callable object ({type(value).__qualname__}), whose state has no text; write a function"
    return f"a {type(value).__qualname__}, which cannot be called; write a function"


def _what_flags_say(function: types.FunctionType, *, is_entry: bool) -> str | None:
    flags = function.__code__.co_flags
    if flags & (inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        return "an async function; remove `async`: tensors are computed, not awaited"
    if is_entry and flags & inspect.CO_GENERATOR:
        return "a generator; collect what it yields and return one array"
    return None


def _decorators_of(wrapped: Any) -> str:
    """The decorators of the function inside, as written, with their lines; its name where it has none."""
    code = getattr(inspect.unwrap(wrapped), "__code__", None)
    if code is None:
        return _name(wrapped)
    try:
        tree = quietly(ast.parse, "".join(linecache.getlines(code.co_filename)))
    except SyntaxError:
        return _name(wrapped)
    written = [
        f"`@{ast.unparse(decorator)}` on line {decorator.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name
        for decorator in node.decorator_list
        if node.decorator_list[0].lineno == code.co_firstlineno and ast.unparse(decorator) != "staticmethod"
    ]
    return ", ".join(written) or _name(wrapped)


def _name(value: Any) -> str:
    return getattr(value, "__qualname__", None) or getattr(value, "__name__", None) or repr(value)


def _stands_in_class(function: types.FunctionType, owner: type) -> bool:
    """Whether the function was written in the class's body (or a base's), not assigned to it later."""
    return any(
        function.__module__ == base.__module__ and function.__qualname__ == f"{base.__qualname__}.{function.__name__}"
        for base in owner.__mro__
    )


def _static(owner: type, name: str) -> Any:
    return next((vars(base)[name] for base in owner.__mro__ if name in vars(base)), None)


def _place_of(value: Any) -> str:
    for candidate in (value, getattr(value, "__wrapped__", None), getattr(value, "func", None), type(value)):
        code = getattr(candidate, "__code__", None) or getattr(getattr(candidate, "__func__", None), "__code__", None)
        if code is not None:
            return f"{shown_name(code.co_filename, getattr(candidate, '__globals__', {}))}:{code.co_firstlineno}"
        if isinstance(candidate, type) and candidate.__module__ not in sys.stdlib_module_names:
            return _place_in_class(candidate, "__call__")
    return ""


def _place_in_class(owner: type, attribute: str) -> str:
    """Where the class binds the attribute, or where the class stands, as `file:line`."""
    base = next((base for base in owner.__mro__ if attribute in vars(base)), owner)
    module = sys.modules.get(base.__module__)
    filename = getattr(module, "__file__", None) or _file_of_methods(base)
    if not filename:
        return f"{base.__module__}.{base.__qualname__}"
    shown = shown_name(filename, vars(module) if module else {})
    try:
        tree = quietly(ast.parse, "".join(linecache.getlines(filename)))
    except SyntaxError:
        return shown
    line = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == base.__name__:
            line = max([node.lineno, *(inner.lineno for inner in node.body if attribute in _binds(inner))])
        elif isinstance(node, ast.Assign) and f"{base.__name__}.{attribute}" in map(ast.unparse, node.targets):
            line = node.lineno
    return f"{shown}:{line}" if line else shown


def _binds(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return [statement.name]
    return [ast.unparse(target) for target in statement.targets] if isinstance(statement, ast.Assign) else []


def _file_of_methods(owner: type) -> str | None:
    for value in vars(owner).values():
        code = getattr(getattr(value, "__func__", value), "__code__", None)
        if code is not None:
            return str(code.co_filename)
    return None


def _refusal(shown: str, place: str, what: str) -> CaptureError:
    return CaptureError(f"{shown} cannot be captured", [Problem(place, what)])
