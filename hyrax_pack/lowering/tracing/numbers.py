"""What stands for Python's own numbers: `float(x)`, a row of a list of floats, the size of the batch, a loop's counter.

A Python number is weak: with a float32 array it is float32, so it is traced apart from numpy's scalars. The batch size
may be calculated with; whatever would fix it (a comparison, a conversion, an index) refuses.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from hyrax_pack.lowering.graph.building import Free, Value
from hyrax_pack.lowering.operations.arithmetic import binary, compare, negate, unary
from hyrax_pack.lowering.operations.casting import FLOAT64, INT64, cast
from hyrax_pack.lowering.operations.dividing import floor_divide, remainder
from hyrax_pack.lowering.tracing.shadows import Shadowed, quietly

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

Number = bool | int | float


Bounds = tuple[int, int]
INT64_BOUNDS: Bounds = (-(2**63), 2**63 - 1)
_EXACT_IN_DOUBLE = 2**53
_LARGEST_SIZE = 1 << 31


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
        if self.is_batch and function in _COMPARISONS:
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


class Position(Shadowed):
    """The counter of a loop over the rows: it may only say which row is meant."""

    __slots__ = ("row", "trace")

    def __init__(self, trace: Trace, row: int) -> None:
        self.trace = trace
        self.row = row

    def shadow(self, which: int) -> int:
        """Return the place of the row; only keys of subscripts ask for it."""
        return self.row

    def refuse_value(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        self.trace.refuse(
            "a row's position in its batch is used as a value",
            hint="a row must give the same whatever stands before it; use the counter as an index only",
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = refuse_value
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __abs__ = refuse_value
    __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __int__ = __float__ = __index__ = refuse_value
    __eq__ = __ne__ = __hash__ = __repr__ = __str__ = __format__ = refuse_value
    __array__ = __array_ufunc__ = __array_function__ = refuse_value

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self.refuse_value()


_COMPARISONS = frozenset({operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge})


def emit_number(trace: Trace, function: Callable[..., Any], operands: tuple[Any, ...]) -> TracedNumber | Size:
    """Calculate with Python numbers as Python does, where no value can make Python raise."""
    shadows = tuple(
        quietly(function, [one.shadow(at) if isinstance(one, TracedNumber) else one for one in operands], {})
        for at in (0, 1)
    )
    dtype = FLOAT64 if any(isinstance(one, float) for one in _shadow_numbers(operands)) else INT64
    if function is operator.truediv:
        dtype = FLOAT64
    values = [
        cast(trace.graph, one.value if isinstance(one, TracedNumber) else trace.graph.constant(one), dtype)
        for one in operands
    ]
    bounds = _checked_bounds(trace, function, operands) if isinstance(shadows[0], int) else INT64_BOUNDS
    _check_doubles(trace, function, operands)
    if function in _STEPPING:
        for one in values:
            trace.require_exact(one, _STEPPING[function])
    value = _emit(trace, function, operands, values)
    if isinstance(shadows[0], bool):
        return TracedNumber(trace, (bool(shadows[0]), bool(shadows[1])), value)
    is_size = isinstance(shadows[0], int) and any(isinstance(one, Size) for one in operands)
    if is_size and all(isinstance(one, Size | int) for one in operands):
        return Size(trace, (shadows[0], shadows[1]), value, bounds)
    return TracedNumber(trace, (shadows[0], shadows[1]), value, bounds)


def _checked_bounds(trace: Trace, function: Callable[..., Any], operands: tuple[Any, ...]) -> Bounds:
    """Return what a whole number can be; refuse what 64 bits cannot hold."""
    bounds = _bounds(function, [_bounds_of(one) for one in operands])
    if bounds[0] < INT64_BOUNDS[0] or bounds[1] > INT64_BOUNDS[1]:
        trace.refuse(
            "a whole number that may grow beyond 64 bits: Python's does not wrap around",
            construct=getattr(function, "__name__", None),
            hint="use float(), or keep it a numpy scalar: leave out int() and .item()",
        )
    return bounds


def _bounds_of(operand: Any) -> Bounds:
    if isinstance(operand, TracedNumber):
        return operand.bounds
    return (operand, operand) if isinstance(operand, int) else INT64_BOUNDS


def _bounds(function: Callable[..., Any], bounds: Sequence[Bounds]) -> Bounds:
    if function in _COMPARISONS:
        return (0, 1)
    if function in (operator.neg, operator.abs):
        low, high = bounds[0]
        ends = [-low, -high] if function is operator.neg else [abs(low), abs(high), 0 if low <= 0 <= high else abs(low)]
        return min(ends), max(ends)
    if function is operator.mod:
        low, high = bounds[1]
        return min(0, low + 1), max(0, high - 1)
    # of monotone operations the ends decide; a divisor is never 0, and nearest to it where it is 1 or -1
    seconds = {*bounds[1], *((-1, 1) if function is operator.floordiv and bounds[1][0] < 0 < bounds[1][1] else ())}
    made = [function(a, b) for a in bounds[0] for b in seconds if b or function is not operator.floordiv]
    return min(made), max(made)


def _check_doubles(trace: Trace, function: Callable[..., Any], operands: tuple[Any, ...]) -> None:
    """Refuse whole numbers beyond 53 bits where Python divides or compares them exactly, and a double cannot."""
    numbers = _shadow_numbers(operands)
    is_mixed = any(isinstance(one, float) for one in numbers) and any(isinstance(one, int) for one in numbers)
    if function is not operator.truediv and not (function in _COMPARISONS and is_mixed):
        return
    wide = [_bounds_of(one) for one, number in zip(operands, numbers, strict=True) if isinstance(number, int)]
    if any(max(abs(low), abs(high)) > _EXACT_IN_DOUBLE for low, high in wide):
        trace.refuse(
            "a whole number beyond 53 bits is divided, or compared with a float",
            construct=getattr(function, "__name__", None),
            hint="keep it a numpy scalar: leave out int() and .item()",
        )


def number_as(trace: Trace, number: TracedNumber, dtype: Any) -> Value:
    """Return a Python number in a dtype of numpy, which raises where a whole number does not fit."""
    dtype = np.dtype(dtype)
    if isinstance(number.shadow(0), int) and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if number.bounds[0] < limits.min or number.bounds[1] > limits.max:
            trace.refuse(
                f"a whole number that may not fit into {dtype.name}: numpy raises there",
                hint="keep it a numpy scalar (leave out int() and .item()), or use a wider dtype",
            )
    if isinstance(number.shadow(0), int) and dtype.kind == "f":
        return cast(trace.graph, cast(trace.graph, number.value, FLOAT64), dtype)  # by way of a double, as numpy has it
    return cast(trace.graph, number.value, dtype)


def _emit(trace: Trace, function: Callable[..., Any], operands: tuple[Any, ...], values: list[Value]) -> Value:
    graph = trace.graph
    if function in _PLAIN:
        return binary(graph, _PLAIN[function], values[0], values[1])
    if function in _COMPARED:
        made = compare(graph, _COMPARED[function], values[0], values[1])
        return negate(graph, made) if function is operator.ne else made
    if function is operator.neg:
        return unary(graph, "Neg", values[0])
    if function is operator.abs:
        return unary(graph, "Abs", values[0])
    _refuse_zero_divisor(trace, operands[1])
    if function is operator.truediv:
        return binary(graph, "Div", values[0], values[1])
    return (floor_divide if function is operator.floordiv else remainder)(graph, values[0], values[1])


def _refuse_zero_divisor(trace: Trace, divisor: Any) -> None:
    """Python raises for a zero where numpy gives infinity: the one thing a graph cannot do."""
    is_safe = (isinstance(divisor, Size) and divisor.is_batch) or (isinstance(divisor, int | float) and divisor != 0)
    if not is_safe:
        trace.refuse(
            "a Python number divided by one from the data: Python raises where that is 0",
            construct="/",
            hint="keep it a numpy scalar: leave out float() and .item()",
        )


def _shadow_numbers(operands: tuple[Any, ...]) -> list[Any]:
    return [one.shadow(0) if isinstance(one, TracedNumber) else one for one in operands]


def _is_between(other: float, function: Callable[[Any, Any], bool]) -> bool:
    """Whether some batch size between the ones tried would answer otherwise."""
    return function in (operator.eq, operator.ne) and other >= 1


_STEPPING = {
    operator.eq: "==",
    operator.ne: "!=",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.floordiv: "//",
    operator.mod: "%",
}
_PLAIN = {operator.add: "Add", operator.sub: "Sub", operator.mul: "Mul"}
_COMPARED = {
    operator.eq: "Equal",
    operator.ne: "Equal",
    operator.lt: "Less",
    operator.le: "LessOrEqual",
    operator.gt: "Greater",
    operator.ge: "GreaterOrEqual",
}
