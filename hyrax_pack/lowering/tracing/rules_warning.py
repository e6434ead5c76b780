"""Warnings, and what numpy does about errors in floats: to be quiet changes no value, to raise one does."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from hyrax_pack.lowering.tracing.rule import Rule

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

_QUIET = frozenset({"ignore", "default", "once", "module"})


def lower_errstate(trace: Trace, **states: Any) -> Any:
    """Lower np.errstate where it raises nothing: replay ignores these errors from the start."""
    if any(state not in (None, "ignore") for state in states.values()):
        trace.refuse(
            "an error or a warning for some values, which a graph cannot give",
            construct="np.errstate",
            hint='np.errstate(all="ignore"), and np.where or np.isfinite for what comes out',
        )
    return np.errstate(**states)


def lower_filter(trace: Trace, action: Any, *args: Any, **kwargs: Any) -> None:
    """Lower warnings.simplefilter and filterwarnings, where a warning stays one."""
    if action not in _QUIET:
        _refuse_warnings(trace, f"action {action!r}")


def lower_catch(trace: Trace, *, record: bool = False, action: Any = None, **options: Any) -> Any:
    """Lower warnings.catch_warnings, unless the warnings are looked at."""
    if record or action not in (None, *_QUIET):
        _refuse_warnings(trace, "catch_warnings")
    return warnings.catch_warnings()


def _refuse_warnings(trace: Trace, construct: str) -> NoReturn:
    trace.refuse(
        "warnings are turned into something that the result may depend on",
        construct=construct,
        hint="look at the values: np.isfinite(x)",
    )


def _nothing(trace: Trace, *args: Any, **kwargs: Any) -> None:
    """What is warned of changes no result."""


def _refusing(name: str) -> Callable[..., NoReturn]:
    def rule(trace: Trace, *args: Any, **kwargs: Any) -> NoReturn:
        trace.refuse("numpy is changed for the whole process", construct=name, hint="use `with np.errstate(...)`")

    return rule


def _always(lower: Callable[..., Any]) -> Rule:
    return Rule(lower, is_special=True, is_always=True)


RULES: dict[Any, Rule] = {
    np.errstate: _always(lower_errstate),
    warnings.simplefilter: _always(lower_filter),
    warnings.filterwarnings: _always(lower_filter),
    warnings.catch_warnings: _always(lower_catch),
    warnings.warn: _always(_nothing),
    **{
        function: _always(_refusing(f"np.{function.__name__}"))
        for function in (np.seterr, np.geterr, np.seterrcall, np.geterrcall, np.setbufsize)
    },
    **{
        function: _always(lambda trace, *a, **k: _refuse_warnings(trace, "warnings"))
        for function in (warnings.resetwarnings, warnings.showwarning, warnings.warn_explicit)
    },
}
