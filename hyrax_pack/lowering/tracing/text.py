"""The captured text as it runs in a trace: rewritten (see rewriting.py), its imports watched, its constants too.

What is not numpy or plain calculation runs in Python only.
"""

from __future__ import annotations

import ast
import builtins
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from hyrax_runtime.manifest import Reason
from hyrax_runtime.replay import check_text

from hyrax_pack.lowering.refusal import Refused
from hyrax_pack.lowering.tracing.rewriting import rewrite

FILE_NAME = "<lowering to_tensor.py>"
OWN_NAMES = ("__hyrax_", ".")  # of local names that the text does not know of

_CALCULATING = frozenset(
    {
        "__future__", "abc", "cmath", "collections", "copy", "dataclasses", "enum", "functools", "itertools", "math",
        "numbers", "numpy", "operator", "re", "string", "typing", "warnings",
    }
)  # fmt: skip


def load_function(
    text: str, hooks: Callable[[Sequence[frozenset[str]]], Mapping[str, Any]], refuse: Callable[..., NoReturn]
) -> Callable[[Any], Any]:
    """Define the text's functions with what they do handed to the trace; return `to_tensor`.

    `hooks` gives the trace's own functions by the names of rewriting.py, once it knows what the loops of the text bind;
    `refuse` is told, from inside the function, of an import that runs in Python only.

    Raises
    ------
    Refused
        The text holds something that a trace would take for granted: global state, a mutable default, `match`.
    """
    check_text(text, "to_tensor.py")
    tree = ast.parse(text)
    _Watched().visit(tree)
    rewritten, bound = rewrite(tree)
    code = compile(rewritten, FILE_NAME, "exec", dont_inherit=True)
    namespace: dict[str, Any] = {"__name__": "hyrax_to_tensor", "__builtins__": _builtins(refuse)}
    namespace |= hooks(bound)
    exec(code, namespace)
    return _Watching(namespace)


def line_in_text(frame: types.FrameType | None) -> int | None:
    """Return the line of the captured text that is running, seen from a frame inside of what it called."""
    while frame is not None:
        if frame.f_code.co_filename == FILE_NAME:
            return frame.f_lineno
        frame = frame.f_back
    return None


def line_of_error(error: BaseException) -> int | None:
    """Return the innermost line of the captured text that an error passed through."""
    line = None
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == FILE_NAME:
            line = step.tb_lineno
        step = step.tb_next
    return line


class _Watching:
    """The function, and a look at what it leaves behind: constants that changed, attributes of functions."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._function: Callable[[Any], Any] = namespace["to_tensor"]
        self._before = self._state()

    def __call__(self, data_dict: Any) -> Any:
        result = self._function(data_dict)
        if self._state() != self._before:
            reason = Reason("state that outlives a call", None, None, "keep nothing between calls")
            raise Refused(reason, is_unsound=True)
        return result

    def _state(self) -> str:
        kept = {}
        for name, value in self._namespace.items():
            if isinstance(value, types.FunctionType):
                kept[name] = repr(sorted(vars(value)))
            elif isinstance(value, list | dict | set) and not name.startswith("__"):
                kept[name] = repr(value)
        return repr(kept)


class _Watched(ast.NodeVisitor):
    """Refuses what is wrong to trace before anything runs."""

    def visit_Global(self, node: ast.Global) -> None:
        """State that outlives a call."""
        hint = "return everything; keep nothing between calls"
        raise Refused(Reason("state that outlives a call", node.lineno, "global", hint), is_unsound=True)

    def visit_Match(self, node: ast.Match) -> None:
        """Patterns test types and values without calling anything."""
        _refuse(node, "match", "patterns look at types and values behind the trace's back", "use np.where")

    def visit_Compare(self, node: ast.Compare) -> None:
        """A chain would hide the question from the trace."""
        if len(node.ops) > 1 and any(isinstance(one, ast.Is | ast.IsNot) for one in node.ops):
            _refuse(node, "is", "identity in a chain of comparisons", "ask one after the other")
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Double underscores look at what stands for the data, not at the data."""
        if node.attr.startswith("__") and node.attr.endswith("__"):
            _refuse(node, f".{node.attr}", "the object itself is looked at", "use isinstance() and .dtype")
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Defaults are made once and shared by all calls."""
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if isinstance(
                default, ast.List | ast.Dict | ast.Set | ast.Call | ast.ListComp | ast.DictComp | ast.SetComp
            ):
                _refuse(default, "default", "a mutable default is state that outlives a call", "use None")
        self.generic_visit(node)


def _builtins(refuse: Callable[..., NoReturn]) -> dict[str, Any]:
    def watched_import(name: str, globals_: Any = None, locals_: Any = None, names: Any = (), level: int = 0) -> Any:
        root = name.partition(".")[0]
        if root not in _CALCULATING:
            refuse(
                f"{root} runs in Python only",
                construct=f"import {name}",
                hint="write it with numpy, or do it in the data set's getter",
            )
        return __import__(name, globals_, locals_, names, level)

    return dict(vars(builtins)) | {"__import__": watched_import}


def _refuse(node: ast.AST, construct: str, text: str, hint: str) -> None:
    raise Refused(Reason(text, getattr(node, "lineno", None), construct, hint))
