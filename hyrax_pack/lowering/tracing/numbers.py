"""What stands for Python's own numbers: `float(x)`, a row of a list of floats, the size of the batch, a loop's counter.

A Python number is weak: with a float32 array it is float32, so it is traced apart from numpy's scalars. The batch size
may be calculated with; whatever would fix it (a comparison, a conversion, an index) refuses.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from hyrax_pack.lowering.graph.building import Free, Value
from hyrax_pack.lowering.tracing.shadows import Shadowed, stands_for
from hyrax_pack.lowering.tracing.untouchable import Untouchable

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

Number = bool | int | float
Bounds = tuple[int, int]
INT64_BOUNDS: Bounds = (-(2**63), 2**63 - 1)
_LARGEST_SIZE = 1 << 31


@stands_for("number")
class TracedNumber(Shadowed):
    """A Python bool, int or float that depends on the data.

    `bounds` is what a whole number can be: Python's do not wrap around, so that what may grow beyond 64 bits refuses.
    """

    __slots__ = ("_shadows", "bounds", "trace", "value")

    def __init__(
        self, trace: Trace, shadows: tuple[Number, Number], value: Value, bounds: Bounds = INT64_BOUNDS
    ) -> None:
        self.trace = trace
        self._shadows = shadows
        self.value = value
        self.bounds = (0, 1) if isinstance(shadows[0], bool) else bounds

    def shadow(self, which: int) -> Any:
        """Return the Python number of one batch."""
        return self._shadows[which]

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self.trace.call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.trace.call_numpy(function, args, kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        self.trace.refuse("a number from the data is turned into a real array", construct=self._words())

    def __bool__(self) -> bool:
        return self.trace.decide(self.value, self._shadows)

    def __float__(self) -> float:
        self.trace.refuse("a number from the data is turned into a plain one", construct="float()")

    def __int__(self) -> int:
        self.trace.refuse("a number from the data is turned into a plain one", construct="int()")

    def __index__(self) -> int:
        self.trace.refuse(
            f"{self._words()} is used as an index, a count or a size",
            hint="let sizes come from shapes that every row shares, and pick with arrays: table[indices]",
        )

    def __hash__(self) -> int:
        self.trace.refuse(
            f"{self._words()} is looked up in a set or dict",
            hint="compare it: x in (a, b); or make the table an array and pick with an array: np.array(table)[indices]",
        )

    def __repr__(self) -> str:
        self.trace.refuse(f"{self._words()} is turned into text", hint="leave out messages that show data")

    __str__ = __repr__

    def __format__(self, how: str) -> str:
        return self.__repr__()

    def _words(self) -> str:
        return "a number from the data"

    def _with(self, other: Any, function: Callable[[Any, Any], Any], *, swapped: bool = False) -> Any:
        if not isinstance(other, TracedNumber | bool | int | float) or isinstance(other, np.generic):
            return NotImplemented  # a numpy scalar is not weak: its own operators bring it here as a ufunc
        operands = (other, self) if swapped else (self, other)
        return self.trace.calculate(function, operands)

    def __add__(self, other: Any) -> Any:
        return self._with(other, operator.add)

    def __radd__(self, other: Any) -> Any:
        return self._with(other, operator.add, swapped=True)

    def __sub__(self, other: Any) -> Any:
        return self._with(other, operator.sub)

    def __rsub__(self, other: Any) -> Any:
        return self._with(other, operator.sub, swapped=True)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, list | tuple):
            self.__index__()
        return self._with(other, operator.mul)

    def __rmul__(self, other: Any) -> Any:
        if isinstance(other, list | tuple):
            self.__index__()
        return self._with(other, operator.mul, swapped=True)

    def __truediv__(self, other: Any) -> Any:
        return self._with(other, operator.truediv)

    def __rtruediv__(self, other: Any) -> Any:
        return self._with(other, operator.truediv, swapped=True)

    def __floordiv__(self, other: Any) -> Any:
        return self._with(other, operator.floordiv)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._with(other, operator.floordiv, swapped=True)

    def __mod__(self, other: Any) -> Any:
        return self._with(other, operator.mod)

    def __rmod__(self, other: Any) -> Any:
        return self._with(other, operator.mod, swapped=True)

    def __and__(self, other: Any) -> Any:
        return self._with(other, operator.and_)

    def __or__(self, other: Any) -> Any:
        return self._with(other, operator.or_)

    def __xor__(self, other: Any) -> Any:
        return self._with(other, operator.xor)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> Any:
        return self.trace.calculate(operator.invert, (self,))

    def __lshift__(self, places: Any) -> Any:
        return self * (1 << self._places(places))

    def __rshift__(self, places: Any) -> Any:
        return self // (1 << self._places(places))

    def _places(self, places: Any) -> int:
        if type(places) is not int or not 0 <= places < 63 or not isinstance(self.shadow(0), int):
            self.trace.refuse(
                "the bits of a Python number are moved by other than a plain number of places",
                construct="<< or >>",
                hint="leave out int() and .item(): numpy scalars can be shifted by one another",
            )
        return places

    __rlshift__ = __rrshift__ = _places

    def __pow__(self, other: Any) -> NoReturn:
        self.trace.refuse(
            "a power of Python numbers: Python raises where it overflows",
            construct="**",
            hint="keep it a numpy scalar: leave out float() and .item()",
        )

    __rpow__ = __pow__

    def __round__(self, digits: Any = None) -> NoReturn:
        self.trace.refuse(
            "a Python number is rounded: Python looks at all of its digits",
            construct="round()",
            hint="leave out float() and .item(), and use np.round",
        )

    def __neg__(self) -> Any:
        return self.trace.calculate(operator.neg, (self,))

    def __abs__(self) -> Any:
        return self.trace.calculate(operator.abs, (self,))

    def __pos__(self) -> Any:
        return self

    def __eq__(self, other: object) -> Any:
        return self._with(other, operator.eq)

    def __ne__(self, other: object) -> Any:
        return self._with(other, operator.ne)

    def __lt__(self, other: Any) -> Any:
        return self._with(other, operator.lt)

    def __le__(self, other: Any) -> Any:
        return self._with(other, operator.le)

    def __gt__(self, other: Any) -> Any:
        return self._with(other, operator.gt)

    def __ge__(self, other: Any) -> Any:
        return self._with(other, operator.ge)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(self._shadows[0], name):
            raise AttributeError(name)
        self.trace.refuse(f"the method {name} of a number from the data", construct=f".{name}")


@stands_for("int")
class Size(TracedNumber):
    """A dimension that is known only when the graph runs, or what was calculated of such ones."""

    __slots__ = ()

    def __init__(
        self, trace: Trace, shadows: tuple[int, int], value: Value, bounds: Bounds = (0, _LARGEST_SIZE)
    ) -> None:
        super().__init__(trace, shadows, value, bounds)

    @property
    def is_batch(self) -> bool:
        """Whether it is the size of the batch itself: nothing that merely looks like it in the shadows."""
        return self.value is self.trace.graph.batch

    @property
    def dim(self) -> Free | None:
        """The free dimension that it is the size of; None where it was calculated or selected."""
        return self.trace.graph.free_of(self.value)

    @property
    def axis(self) -> str:
        """What to call the axis that it is the size of."""
        return "the rows of the batch" if self.is_batch else "an axis whose length depends on the data"

    def _words(self) -> str:
        return "the size of the batch" if self.is_batch else "a size that depends on the data"

    def __bool__(self) -> bool:
        return True if self.is_batch else bool(self != 0)

    def _with(self, other: Any, function: Callable[[Any, Any], Any], *, swapped: bool = False) -> Any:
        if self.is_batch and function in COMPARISONS:
            return self._compared(other, function)
        if function is operator.mul and type(other) is int and other == 1:
            return self
        return super()._with(other, function, swapped=swapped)

    def _compared(self, other: Any, function: Callable[[Any, Any], bool]) -> bool:
        """Answer what holds for every batch that is not empty; refuse what depends on how large it is."""
        if isinstance(other, Size) and other.is_batch:
            return function(1, 1)
        if isinstance(other, int | float):
            answers = {function(size, other) for size in (1, 2, 1 << 40)}
            if len(answers) == 1 and not _is_between(other, function):
                return answers.pop()
        if not isinstance(other, TracedNumber | int | float):
            return function is operator.ne
        return self.trace.refuse(
            "a branch or a comparison on the size of the batch",
            hint="let the function do the same for every batch",
        )


class _Counter(Untouchable):
    """The counter of a loop over the rows, from 0 or another number: moved by a number it is another counter."""

    __slots__ = ("row", "start", "trace")

    def __init__(self, trace: Trace, row: int, start: int) -> None:
        self.trace = trace
        self.row = row
        self.start = start

    def __add__(self, other: Any) -> Any:
        return counted_from(self.trace, self.row, self.start + other) if type(other) is int else self.refuse()

    def __sub__(self, other: Any) -> Any:
        return counted_from(self.trace, self.row, self.start - other) if type(other) is int else self.refuse()

    __radd__ = __add__

    def refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        self.trace.refuse(
            "a row's position in its batch is used as a value",
            hint="a row must give the same whatever stands before it; use the counter as an index only",
        )


@stands_for("int")
class Counted(_Counter):
    """A counter that is not the row's place: `enumerate(rows, 1)`; only made one again by `i - 1` it is of use."""

    __slots__ = ()


@stands_for("int")
class Position(_Counter):
    """The counter of a loop over the rows: it may only say which row is meant."""

    __slots__ = ()

    def __init__(self, trace: Trace, row: int) -> None:
        super().__init__(trace, row, 0)

    def shadow(self, which: int) -> int:
        """Return the place of the row; only keys of subscripts ask for it."""
        return self.row


def counted_from(trace: Trace, row: int, start: int) -> Position | Counted:
    """Return the counter of a row where the first row has the number `start`."""
    return Counted(trace, row, start) if start else Position(trace, row)


COMPARISONS = frozenset({operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge})


def _is_between(other: float, function: Callable[[Any, Any], bool]) -> bool:
    """Whether some batch size between the ones tried would answer otherwise."""
    return function in (operator.eq, operator.ne) and other >= 1
