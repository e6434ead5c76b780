"""Where the value of an array or a scalar would leave the trace: as a truth, a number, an index, text, a real array.

What is known answers as numpy does. Of the rest only the truth has an answer: both ways are followed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.lowering.graph.building import Value
from hyrax_pack.lowering.tracing.shadows import Shadowed

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace


class Leaving(Shadowed):
    """What Python asks of an array or a scalar that only a real one can answer."""

    tracer: Trace
    shadows: tuple[Any, Any]

    @property
    def value(self) -> Value:
        """What stands for it in the graph."""
        raise NotImplementedError

    @property
    def is_known(self) -> bool:
        """Whether it is made of constants alone."""
        return False

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray[Any, Any]:
        if not self.is_known:
            self.tracer.refuse(
                "an array from the data goes where only a real array can",
                hint="use numpy functions that are listed in docs/lowering.md",
            )
        return np.array(self.shadows[0])

    def __bool__(self) -> bool:
        if self.is_known:
            return bool(self.shadows[0])
        if any(pair != (1, 1) for pair in zip(self.shadows[0].shape, self.shadows[1].shape, strict=True)):
            self.tracer.refuse("the truth of an array of several elements", hint="use .any() or .all()")
        condition = self.tracer.scalar_of(self.value)
        return self.tracer.decide(condition, (bool(self.shadows[0]), bool(self.shadows[1])))

    def __hash__(self) -> int:
        if isinstance(self.shadows[0], np.ndarray):
            raise TypeError("unhashable type: 'numpy.ndarray'")
        self.tracer.refuse(
            "a value from the data is looked up in a set or dict",
            hint="compare it: x in (a, b); or make the table an array and pick with an array: np.array(table)[indices]",
        )

    def __float__(self) -> float:
        if not self.is_known:
            self.tracer.refuse("a value from the data is turned into a plain number", construct="float()")
        return float(self.shadows[0])

    def __int__(self) -> int:
        if not self.is_known:
            self.tracer.refuse("a value from the data is turned into a plain number", construct="int()")
        return int(self.shadows[0])

    def __index__(self) -> int:
        if not self.is_known:
            self.tracer.refuse(
                "a value from the data is used as an index, a count or a size",
                hint="make the table an array and pick with an array: np.array(table)[indices]",
            )
        return int(self.shadows[0].__index__())

    def __repr__(self) -> str:
        if not self.is_known:
            self.tracer.refuse("a value from the data is turned into text", hint="leave out messages that show data")
        return repr(self.shadows[0])

    def __str__(self) -> str:
        return str(self.shadows[0]) if self.is_known else repr(self)

    def __format__(self, how: str) -> str:
        return format(self.shadows[0], how) if self.is_known else repr(self)
