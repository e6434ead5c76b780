"""What stands before `[...]` in the text and is no array: lists, tuples, dicts, `np.c_`, `np.r_`.

A key that depends on the data would fix one entry of them. What a loop over the rows has gathered is asked by the row's
position, and a list of plain numbers becomes a table; everything else refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.lowering.tracing.arrays import Traced
from hyrax_pack.lowering.tracing.numbers import Position, TracedNumber
from hyrax_pack.lowering.tracing.shadows import RowsInText, Shadowed, holds_traced, shadow_of
from hyrax_pack.lowering.tracing.wrapping import known

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace


def watched_subject(trace: Trace, value: Any) -> Any:
    """Return what is subscripted, watched where a traced key could fix something."""
    return _Watched(trace, value) if isinstance(value, list | tuple | dict) or _is_index_trick(value) else value


class _Watched:
    """A list, tuple, dict, `np.c_` or `np.r_` about to be subscripted."""

    def __init__(self, trace: Trace, value: Any) -> None:
        self._trace = trace
        self._value = value

    def __getitem__(self, key: Any) -> Any:
        if _is_index_trick(self._value):
            return self._joined(key)
        if not isinstance(key, Shadowed):
            return self._value[key]
        if isinstance(key, Position):
            if isinstance(self._value, RowsInText) and self._value.is_batch:
                return self._value[key]
            key.refuse()
        if isinstance(self._value, dict) or not isinstance(key, Traced | TracedNumber):
            self._trace.refuse(
                "a table is asked by a value from the data",
                construct=f"{type(self._value).__name__}[...]",
                hint="make the table an array and pick with an array: np.array(table)[indices]",
            )
        return self._picked(key)

    def _picked(self, key: Any) -> Any:
        """Return an entry of a list of plain numbers by an index from the data: a Python number again."""
        kinds = {type(entry) for entry in self._value}
        if len(kinds) != 1 or not kinds <= {int, float} or key.shadow(0) is None:
            self._trace.refuse(
                "a list is asked by a value from the data", hint="make it an array: np.array(table)[indices]"
            )
        return self._trace.python_number(self._trace.array_of(self._value)[self._trace.array_of(key)], "[...]")

    def _joined(self, key: Any) -> Any:
        if not holds_traced(key):
            return known(self._trace, self._value[key])
        parts = key if isinstance(key, tuple) else (key,)
        if any(isinstance(part, slice | str) for part in parts):
            self._trace.refuse("np.c_ and np.r_ with ranges", hint="use np.stack or np.concatenate")
        function = np.column_stack if self._value is np.c_ else np.hstack
        if self._value is np.c_ and any(np.ndim(shadow_of(part, 0)) > 2 for part in parts):
            self._trace.refuse("np.c_ of more than two dimensions", hint="use np.concatenate")
        return self._trace.call_numpy(function, (list(parts),), {})


def _is_index_trick(value: Any) -> bool:
    return value is np.c_ or value is np.r_
