"""Errors in the words of whoever wrote the text: of their values and functions, not of what stands for them here."""

from __future__ import annotations

import dis
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.lowering.tracing.shadows import holds_traced, on_shadows
from hyrax_pack.lowering.tracing.text import FILE_NAME

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

LISTED = "use numpy functions that docs/lowering.md lists"
_RAISING = dis.opmap["RAISE_VARARGS"]
# What Python raises for the kind of a thing, whatever its value.
_OF_KINDS = (TypeError, AttributeError)
_NUMPYS = (TypeError, ValueError, IndexError, ArithmeticError, AttributeError)


def really(trace: Trace, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return what the real function gives for both batches; refuse where it raises."""
    try:
        return on_shadows(function, args, kwargs)
    except _NUMPYS as error:
        trace.refuse(f"numpy raises {type(error).__name__}: {error}", construct=name_of(function))


def explained(
    trace: Trace, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], carried_out: Callable[[], Any]
) -> Any:
    """Carry out a call; what fails because of what stands for the data refuses, and says which call it was.

    Where the real function raises as well, and not for a value of the data, its own error is raised: the text may look
    for it.
    """
    try:
        return carried_out()
    except (*_NUMPYS, AssertionError, NotImplementedError) as error:
        if _ran_text(error.__traceback__) or not holds_traced(args, kwargs):
            raise
        real = _error_of(function, args, kwargs)
        is_certain = isinstance(error, _OF_KINDS) or not trace.holds_traced(list(args), dict(kwargs))
        if real is not None and type(real) is type(error) and is_certain:
            raise real from None
        trace.refuse(
            "values from the data go where only real ones can, or in a way that does not lower",
            construct=name_of(function),
            hint=LISTED,
        )


def is_raised_by_text(error: BaseException) -> bool:
    """Whether an error comes of a `raise` or an `assert` of the text itself."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    if step is None or step.tb_frame.f_code.co_filename != FILE_NAME:
        return False
    return step.tb_frame.f_code.co_code[step.tb_lasti] == _RAISING


def name_of(function: Any) -> str:
    """Return what to call a function: as the text would."""
    home = str(getattr(function, "__module__", "") or "")
    name = getattr(function, "__name__", None) or type(function).__name__
    home = "numpy" if home.startswith("numpy") and "." not in home.removeprefix("numpy.lib") else home
    if isinstance(function, np.ufunc):
        home = "numpy"
    if home == "builtins" or home.startswith("hyrax_"):
        return f"{name}()"
    return f"{home}.{name}" if home else str(name)


def _ran_text(step: TracebackType | None) -> bool:
    while step is not None:
        if step.tb_frame.f_code.co_filename == FILE_NAME:
            return True
        step = step.tb_next
    return False


def _error_of(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Exception | None:
    try:
        on_shadows(function, args, kwargs)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the real function does
        return error
    return None
