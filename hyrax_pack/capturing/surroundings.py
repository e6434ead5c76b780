"""What a function asks of the process around it: the clock, the time zone, the language, how warnings are taken.

A lint, as `forbidden` is: it names what a scientist writes by habit, with the cure. What it cannot see shows where two
processes in unlike surroundings give unlike results (see hyrax_pack.capturing.proving).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence

from hyrax_pack.capturing.modules import refused_name
from hyrax_pack.capturing.outer_names import dotted_name

_CLOCKS = frozenset({"now", "today", "utcnow"})
# What makes numpy or pandas read "now" as a time.
_TIMES = re.compile(r"datetime64|M8|Timestamp|to_datetime")
_LANGUAGE = re.compile(r"%[aAbBcpxX]")
_RAISED_BY_NUMPY = frozenset({"ArithmeticError", "FloatingPointError"})
_FILTERS = frozenset({"warnings.filterwarnings", "warnings.simplefilter", "warnings.catch_warnings"})
_BROAD = frozenset({"BaseException", "Exception"})


def surroundings_problem(
    node: ast.AST, within: Sequence[ast.AST], imported: Mapping[str, str], function: ast.AST
) -> str | None:
    """What a node asks of the process around it, with the cure; None where nothing.

    Parameters
    ----------
    node : ast.AST
        Part of the function.
    within : sequence of ast.AST
        What stands around it, outermost first.
    imported : mapping of str to str
        Name -> dotted name.
    function : ast.AST
        The whole function.
    """
    if isinstance(node, ast.ExceptHandler):
        return _handler(node, function)
    if isinstance(node, ast.Constant):
        return _clock_by_word(node, within, function)
    if isinstance(node, ast.FormattedValue) and node.format_spec and _LANGUAGE.search(ast.unparse(node.format_spec)):
        return _OF_THE_LANGUAGE
    return _call(node, within, imported) if isinstance(node, ast.Call) else None


def catches_any_warning(function: ast.AST) -> int | None:
    """The line of a handler that would catch a warning that is an error, without naming it, if there is one."""
    for node in ast.walk(function):
        if isinstance(node, ast.ExceptHandler) and (node.type is None or _BROAD & set(_caught(node.type))):
            return node.lineno
    return None


def makes_warnings_errors(node: ast.AST) -> bool:
    """Whether a node is a call such as `warnings.filterwarnings("error")`."""
    if not isinstance(node, ast.Call):
        return False
    called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    return called in ("filterwarnings", "simplefilter") and _action(node) == "error"


def _handler(node: ast.ExceptHandler, function: ast.AST) -> str | None:
    caught = _caught(node.type) if node.type else []
    shown = f"`except {ast.unparse(node.type)}`" if node.type else ""
    if any(name.endswith("Warning") for name in caught):
        return (
            f"{shown}: whether a warning is an error is decided by the process, which differs where it runs; "
            "test the values instead: np.isfinite(x), x > 0"
        )
    if _RAISED_BY_NUMPY & set(caught) and not any(map(_raises_by_itself, ast.walk(function))):
        return (
            f"{shown}: numpy does not raise here, whatever np.seterr says elsewhere; test the values instead: "
            'x > 0, or write `with np.errstate(all="raise"):` around it'
        )
    return None


def _caught(node: ast.expr) -> list[str]:
    """The bare names of the exceptions that a handler names."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    return [part.id if isinstance(part, ast.Name) else getattr(part, "attr", "") for part in parts]


def _raises_by_itself(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and "errstate" in ast.unparse(node.func)):
        return False
    return any(isinstance(each.value, ast.Constant) and each.value.value == "raise" for each in node.keywords)


def _clock_by_word(node: ast.Constant, within: Sequence[ast.AST], function: ast.AST) -> str | None:
    """`np.array("today", dtype="datetime64[D]")`; a key or a word that is compared is no time."""
    if not (isinstance(node.value, str) and node.value.strip().lower() in ("now", "today")):
        return None
    above = within[-1] if within else None
    key = isinstance(above, ast.Subscript | ast.Compare | ast.Dict) or (
        isinstance(above, ast.Call) and getattr(above.func, "attr", "") in ("get", "pop", "setdefault")
    )
    if key or not _TIMES.search(ast.unparse(function)):
        return None
    return f"`{node.value!r}` reads the clock; give the time as a field"


_OF_THE_LANGUAGE = "the names of days and months are those of the machine's language; use .month, .weekday()"


def _call(node: ast.Call, within: Sequence[ast.AST], imported: Mapping[str, str]) -> str | None:
    dotted = dotted_name(node.func, imported) or ""
    if refused_name(dotted):  # said of the name itself
        return None
    written = ast.unparse(node.func)
    called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if called in _CLOCKS:
        return f"`{written}` reads the clock; give the time as a field"
    if called == "fromtimestamp" and len(node.args) == 1 and not node.keywords:
        return f"`{written}` uses the time zone of the machine; name one: fromtimestamp(t, datetime.timezone.utc)"
    if called == "astimezone" and not node.args and not node.keywords:
        return f"`{written}()` uses the time zone of the machine; name one: astimezone(datetime.timezone.utc)"
    if called == "strftime" and any(_LANGUAGE.search(text) for text in _texts(node)):
        return f"`{written}`: {_OF_THE_LANGUAGE}"
    if dotted == "gzip.GzipFile" and len(node.args) < 5 and not any(each.arg == "fileobj" for each in node.keywords):
        return f"`{written}` opens a file; give the bytes as a field and use gzip.decompress"
    return _filter(node, dotted, within, imported) if dotted in _FILTERS else None


def _texts(node: ast.Call) -> Iterator[str]:
    for given in (*node.args, *(each.value for each in node.keywords)):
        if isinstance(given, ast.Constant) and isinstance(given.value, str):
            yield given.value


def _filter(node: ast.Call, dotted: str, within: Sequence[ast.AST], imported: Mapping[str, str]) -> str | None:
    """Warnings may be silenced, where that ends with the call; nothing else, for it decides what is computed."""
    written, action = ast.unparse(node.func), _action(node)
    if dotted == "warnings.catch_warnings":
        if any(each.arg == "record" for each in node.keywords) or action not in (None, "ignore"):
            return f"`{written}`: what it sees depends on the process that runs it; test the values instead"
        return None
    if action != "ignore":
        return f"`{written}`: how warnings are taken depends on the process that runs it; test the values instead"
    around = [item.context_expr for outer in within if isinstance(outer, ast.With) for item in outer.items]
    calls = [dotted_name(each.func, imported) for each in around if isinstance(each, ast.Call)]
    if "warnings.catch_warnings" not in calls:
        return f"`{written}` lives on for the whole process; write `with warnings.catch_warnings():` around it"
    return None


def _action(node: ast.Call) -> str | None:
    """The first argument of a warnings filter, or its `action`."""
    given = [*node.args[:1], *(each.value for each in node.keywords if each.arg == "action")]
    value = given[0] if given else None
    return str(value.value) if isinstance(value, ast.Constant) else None
