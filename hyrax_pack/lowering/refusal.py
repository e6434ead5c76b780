"""How lowering says no: what cannot be lowered, in which line, and how to write it so that it can.

`Refused` travels through the user's code while it is traced. It is a BaseException, so `except Exception` does not
hide it; a bare `except:` does, which is why the trace remembers it as well (tracing.trace.Trace.poison).
"""

from __future__ import annotations

from dataclasses import dataclass

from hyrax_runtime.manifest import Reason


@dataclass(frozen=True)
class Refusal:
    """`to_tensor` was not lowered, and why. It is replayed instead, or export stops under `--lower require`.

    Attributes
    ----------
    reason : Reason
    is_unsound : bool
        What was found is wrong with the function itself, in whatever form it travels: it keeps something between
        calls, or its rows touch one another where it was recorded that they do not. Then there is no bundle.
    """

    reason: Reason
    is_unsound: bool = False

    def __str__(self) -> str:
        return describe_reason(self.reason)


class Refused(BaseException):
    """Tracing met something that a graph cannot say, or would say wrongly."""

    def __init__(self, reason: Reason, *, is_unsound: bool = False) -> None:
        self.reason = reason
        self.is_unsound = is_unsound
        super().__init__(describe_reason(reason))


class RowsNeeded(Refused):
    """The function walks over the rows of the batch in Python: trace it again, one row at a time."""


def describe_reason(reason: Reason) -> str:
    """One line for a person: where, what, and what to write instead.

    Examples
    --------
    >>> describe_reason(Reason("a branch on values", line=3, construct="if", hint="use np.where"))
    'line 3: if: a branch on values; use np.where'
    """
    where = f"line {reason.line}: " if reason.line is not None else ""
    construct = f"{reason.construct}: " if reason.construct else ""
    hint = f"; {reason.hint}" if reason.hint else ""
    return f"{where}{construct}{reason.text}{hint}"
