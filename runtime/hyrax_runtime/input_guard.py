"""What `to_tensor` is given stays as it was, whatever the function does with it.

A function that writes into its input changes the caller's data, and with it what the next call computes. Some do so on
rare rows only, so trying it on a few rows proves nothing. It is given views that cannot be written to, which costs next
to nothing; when it then fails, it is called again on a copy, and on copies from then on.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

# What numpy does not raise where an array may not be written to: catching these hides nothing.
_OTHER_ERRORS = frozenset(
    {
        "ArithmeticError", "AssertionError", "AttributeError", "FloatingPointError", "ImportError", "IndexError",
        "KeyError", "LookupError", "ModuleNotFoundError", "NameError", "OverflowError", "StopIteration", "TypeError",
        "UnicodeDecodeError", "ZeroDivisionError",
    }
)  # fmt: skip


_ARRAY = np.ndarray
_UNCHANGING = frozenset({int, float, bool, str, bytes, np.float32, np.float64, np.int64, np.int32, np.str_, type(None)})


def protect(function: Callable[[Any], Any], tree: ast.Module, *, on_copy: bool = False) -> Callable[[Any], Any]:
    """Return a function that does the same and leaves its input alone.

    Parameters
    ----------
    function : callable
        Of a nested dict of lists and arrays.
    tree : ast.Module
        The text that defines it.
    on_copy : bool
        Whether it is known to write into its input. So is one whose text could hide that a write was refused.
    """
    if on_copy or may_hide_a_refused_write(tree):
        return lambda data_dict: function(copy_input(data_dict))
    copying = False

    def protected(data_dict: Any) -> Any:
        nonlocal copying
        if not copying:
            try:
                return function(frozen(data_dict))
            except ValueError:  # numpy's, or a library's, for an array that it may not write to; or the function's own
                result = function(copy_input(data_dict))
            copying = True
            return result
        return function(copy_input(data_dict))

    return protected


def may_hide_a_refused_write(tree: ast.Module) -> bool:
    """Whether a text could go on where an array refuses to be written to, or make it writeable again.

    Compiled code need not ask: scipy writes into any array where `overwrite_a=True` says so, or a bare True in its
    place.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _catches_value_errors(node.type):
            return True
        if isinstance(node, ast.Attribute) and node.attr in ("flags", "setflags", "suppress"):
            return True
        if isinstance(node, ast.alias) and node.name == "suppress":
            return True
        if isinstance(node, ast.keyword) and (node.arg or "").startswith("overwrite"):
            return True
        if isinstance(node, ast.Call) and any(
            isinstance(each, ast.Constant) and each.value is True for each in node.args
        ):
            return True
    return False


def frozen(values: Any) -> Any:
    """Return dicts, lists and tuples anew all the way down, and views of the arrays that cannot be written to.

    Examples
    --------
    >>> rows = {"data": {"flux": [np.zeros(2)]}}
    >>> frozen(rows)["data"]["flux"][0].flags.writeable, rows["data"]["flux"][0].flags.writeable
    (False, True)
    """
    kind = type(values)
    if kind is _ARRAY:
        if values.dtype.hasobject:
            return copy_input(values)
        view = values.view()
        view.setflags(write=False)
        return view
    if kind is list:
        return [value if type(value) in _UNCHANGING else frozen(value) for value in values]
    if kind is dict:
        return {key: frozen(value) for key, value in values.items()}
    if kind is tuple:
        return tuple([frozen(value) for value in values])
    return copy_input(values)


def copy_input(values: Any) -> Any:
    """Copy dicts, lists, tuples and arrays all the way down; share what cannot be changed in place.

    Examples
    --------
    >>> rows = {"data": {"flux": [np.zeros(2)]}}
    >>> copy_input(rows)["data"]["flux"][0] is rows["data"]["flux"][0]
    False
    """
    if isinstance(values, np.ndarray):
        if values.dtype.hasobject:
            return np.fromiter(map(copy_input, values.flat), dtype=object, count=values.size).reshape(values.shape)
        return values.copy(order="K")
    if isinstance(values, dict):
        return {key: copy_input(value) for key, value in values.items()}
    if isinstance(values, list):
        return [copy_input(value) for value in values]
    if type(values) is tuple:
        return tuple(copy_input(value) for value in values)
    return bytearray(values) if isinstance(values, bytearray) else values


def _catches_value_errors(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(map(_catches_value_errors, caught.elts))
    return not (isinstance(caught, ast.Name) and caught.id in _OTHER_ERRORS)
