"""One run of the function: where its calls arrive, and what has to be remembered.

Numpy's own dispatch (`__array_ufunc__`, `__array_function__`) and the rewritten text (see text.py) bring every call
here. A function with a rule is lowered by it; what knows nothing of traced values is called as it is, and whatever in
it needs a real value refuses.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

import numpy as np
from hyrax_runtime.manifest import Reason

from hyrax_pack.lowering.graph.building import Graph, NoCounterpart, Value
from hyrax_pack.lowering.graph.exactness import inexact_source, is_inexact
from hyrax_pack.lowering.graph.rows import ALL_ROWS, rows_behind, stack_rows
from hyrax_pack.lowering.operations.casting import BOOL, INT64, cast
from hyrax_pack.lowering.operations.reducing import dimension
from hyrax_pack.lowering.operations.shaping import reshape
from hyrax_pack.lowering.refusal import Refused, RowsNeeded
from hyrax_pack.lowering.tracing import items
from hyrax_pack.lowering.tracing.arrays import Traced, TracedArray
from hyrax_pack.lowering.tracing.calculating import emit_number, number_as
from hyrax_pack.lowering.tracing.complexes import TracedComplex
from hyrax_pack.lowering.tracing.decisions import Way
from hyrax_pack.lowering.tracing.gathered import Gathered
from hyrax_pack.lowering.tracing.numbers import Position, Size, TracedNumber
from hyrax_pack.lowering.tracing.rows import Rows, Stale, Unreadable, is_stacked
from hyrax_pack.lowering.tracing.shadows import (
    BATCH_SIZES,
    ROW_SIZES,
    flat_parts,
    holds_traced,
    on_shadows,
    traced_in,
)
from hyrax_pack.lowering.tracing.text import line_in_text
from hyrax_pack.lowering.tracing.walking import Loop, is_per_row
from hyrax_pack.lowering.tracing.wrapping import adopt, known, known_attribute, known_pair, wrap

Mode = Literal["batch", "row"]


@dataclass(frozen=True)
class Rule:
    """How a function is lowered.

    Attributes
    ----------
    lower : callable
        Takes the trace and the call's arguments. Returns a Value, a View, or what numpy functions on traced values
        returned; with `is_special`, the finished result.
    is_special : bool
        The rule does everything itself; numpy is not called on the shadows.
    is_always : bool
        The rule is also asked where nothing traced is among the arguments.
    edges : mapping from int to str
        Positions of arguments in which the last bit may decide (which is greatest, in which bin), and what to call it.
    """

    lower: Callable[..., Any]
    is_special: bool = False
    is_always: bool = False
    edges: Mapping[int, str] = field(default_factory=dict)


@dataclass
class Trace:
    """State of one run. `poison` is the first refusal: the user's own `except:` may have swallowed it."""

    graph: Graph
    mode: Mode
    rules: Mapping[Any, Rule]
    ufunc_rule: Callable[..., Any]
    way: Way = field(default_factory=Way)
    poison: Refused | None = None
    left: Refused | None = None
    rules_running: int = 0
    clock: int = 0
    _behind: dict[str, frozenset[int]] = field(default_factory=dict)
    loop: Loop | None = None

    def __post_init__(self) -> None:
        self.batch_sizes = BATCH_SIZES if self.mode == "batch" else ROW_SIZES
        self.batch_size = Size(self, self.batch_sizes, self.graph.batch)

    # -- refusing and deciding

    def refuse(self, text: str, *, construct: str | None = None, hint: str | None = None) -> NoReturn:
        """Stop the trace, naming the line of the text that is running."""
        self._stop(Refused(Reason(text, line_in_text(sys._getframe(1)), construct, hint)))

    def need_rows(self) -> NoReturn:
        """Stop the trace of a batch: the function walks over its rows."""
        reason = Reason("a Python loop over the rows", line_in_text(sys._getframe(1)), "for")
        self._stop(RowsNeeded(reason))

    def leave_loop(self) -> None:
        """Remember that a loop over the rows was left before its end; an error may pass through it all the same."""
        text = "rows touch one another: a loop over the rows is left before its end"
        line = line_in_text(sys._getframe(1))
        self.left = self.left or Refused(Reason(text, line, "break", "let it run over all rows"))

    def _stop(self, refused: Refused) -> NoReturn:
        if self.poison is None:
            self.poison = refused
        raise refused

    def decide(self, condition: Value, shadows: tuple[Any, Any]) -> bool:
        """Answer for the truth of a value: this run goes one way, another run will go the other."""
        self.require_exact(condition, "if")
        asked = cast(self.graph, condition, BOOL)
        behind = rows_behind(asked, self._behind) if self.mode == "row" else frozenset()
        if len(behind) > 1 or ALL_ROWS in behind:
            self.refuse(
                "rows touch one another: a branch on several rows, or on how many there are",
                construct="if",
                hint="let a row use nothing but its own values, or write it for whole arrays",
            )
        return self.way.answer(asked, bool(shadows[0]), next(iter(behind), None))

    # -- calls

    def call(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Carry out a call of the user's text."""
        rule = self._rule(function)
        if rule is not None and rule.is_always:
            return rule.lower(self, *args, **kwargs)
        self._refuse_chance(function)
        if not holds_traced(args, kwargs):
            self._refuse_clock(function, args, kwargs)
            return known(self, function(*args, **kwargs))
        if rule is not None:
            return self.call_numpy(function, args, kwargs)
        if isinstance(function, type) and issubclass(function, np.generic):
            real = self._really(function, args, kwargs)
            if isinstance(args[0], TracedNumber):
                return wrap(self, real, number_as(self, args[0], np.dtype(function)))
            value = self.array_of(args[0]).value
            self.check_cast(value, np.dtype(function))
            return wrap(self, real, cast(self.graph, value, np.dtype(function)))
        return function(*args, **kwargs)

    def call_numpy(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Lower one of numpy's functions by its rule."""
        rule = self._rule(function)
        spectra = [one for one in traced_in([list(args)]) if isinstance(one, TracedComplex)]
        if (spectra and str(getattr(function, "__module__", "")) != "numpy.fft") or (function in _SHIFTS and spectra):
            return spectra[0].apply(function, args, kwargs)
        if rule is not None and rule.is_special:
            return rule.lower(self, *args, **kwargs)
        out = kwargs.get("out")
        plain = {name: value for name, value in kwargs.items() if name != "out"}
        operands = list(traced_in([list(args), plain]))
        if all(isinstance(one, Traced) and one.is_known for one in operands):
            real = self._really(function, args, plain)
            result = known_pair(self, real, operands)
            if result is not None or real[0] is None:
                return self._into(out, result)
        if rule is None:
            self.refuse(
                "this function does not lower", construct=_name_of(function), hint="see docs/lowering.md for what does"
            )
        real = self._really(function, args, plain)
        try:
            return self._into(out, adopt(self, real, self._lowered(rule, args, plain), operands))
        except NoCounterpart as error:
            self.refuse(str(error), construct=_name_of(function))

    def _lowered(self, rule: Rule, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        for position, construct in rule.edges.items():
            for one in traced_in([list(args[position : position + 1]), dict(kwargs)]):
                if isinstance(one, Traced):
                    self.require_exact(one.value, construct)
        asked = kwargs.get("dtype", next((one for one in args[1:] if isinstance(one, type | np.dtype)), None))
        if asked is not None:
            for one in traced_in([[self.array_of(one) if is_stacked(one) else one for one in args]]):
                if isinstance(one, Traced):
                    self.check_cast(one.value, asked)
        self.rules_running += 1
        try:
            return rule.lower(self, *args, **kwargs)
        finally:
            self.rules_running -= 1

    def call_ufunc(self, ufunc: np.ufunc, method: str, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Lower one of numpy's element-wise functions or its `reduce`, `accumulate`, `outer`."""
        try:
            return self.ufunc_rule(self, ufunc, method, inputs, dict(kwargs))
        except NoCounterpart as error:
            self.refuse(str(error), construct=f"np.{ufunc.__name__}")

    def require_exact(self, value: Value, construct: str) -> None:
        """Refuse an edge (a comparison, a rounding) in a value whose last bits may not be numpy's.

        What a rule computes by itself is the rule's own affair: there an edge may lie between two equal sides.
        """
        if self.rules_running == 0 and is_inexact(self.graph, value):
            self.refuse(
                f"an edge in a value whose last digits may differ from numpy's: {inexact_source(self.graph, value)}",
                construct=construct,
                hint="ask it of what the value is computed from: x >= 100 instead of np.log10(x) >= 2",
            )

    def power(self, base: Traced, exponent: Any) -> Any:
        """Return `base ** exponent`, which for some exponents numpy computes in another dtype than np.power."""
        made = self.call_ufunc(np.power, "__call__", (base, exponent), {})
        dtype = np.asarray(self._really(operator.pow, (base, exponent), {})[0]).dtype
        return made if dtype == made.dtype else made.astype(dtype)

    def calculate(self, function: Callable[..., Any], operands: tuple[Any, ...]) -> Any:
        """Calculate with Python numbers."""
        return emit_number(self, function, operands)

    def _really(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
        try:
            return on_shadows(function, args, kwargs)
        except (TypeError, ValueError, IndexError, ArithmeticError, AttributeError) as error:
            self.refuse(f"numpy raises {type(error).__name__}: {error}", construct=_name_of(function))

    def _into(self, out: Any, result: Any) -> Any:
        if out is None:
            return result
        target = out[0] if isinstance(out, tuple) else out
        if not isinstance(target, TracedArray):
            self.refuse("out= is no array of the function's own", construct="out=")
        target[...] = result
        return target

    def _rule(self, function: Any) -> Rule | None:
        try:
            return self.rules.get(function)
        except TypeError:  # unhashable: no function of numpy
            return None

    def _refuse_chance(self, function: Any) -> None:
        if function in _OUTSIDE:
            self.refuse("this looks beyond the data", construct=_name_of(function), hint="compute from data_dict only")
        owner = getattr(function, "__self__", None)
        home = getattr(function, "__module__", None) or type(owner).__module__
        if str(home).startswith("numpy.random") or type(owner).__module__.startswith("numpy.random"):
            self.refuse("random numbers", construct=_name_of(function), hint="draw them in the data set, as a field")

    def _refuse_clock(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Refuse numpy's own words for the present: what they stand for would be that of the export."""
        parts = flat_parts([list(args), dict(kwargs)])
        if any(isinstance(one, str) and one.strip().lower() in _CLOCK for one in parts):
            hint = "pass the time as a field of the data set"
            reason = Reason("the present time", line_in_text(sys._getframe(1)), _name_of(function), hint)
            self._stop(Refused(reason, is_unsound=True))

    # -- values

    def array_of(self, value: Any, dtype: Any = None) -> Any:
        """Return what `np.asarray` makes of anything; a constant becomes a known array."""
        if isinstance(value, Rows):
            value = value.stack
        if isinstance(value, Traced):
            return value
        if isinstance(value, Gathered) and value.is_batch:
            return self._stacked(value)
        if isinstance(value, TracedNumber):
            real = on_shadows(np.asarray, [value])
            return wrap(self, real, value.value)
        if isinstance(value, Position | Unreadable | Stale | TracedComplex):
            value.__array__()
        if holds_traced(value):
            return self.call(np.array, value)
        return known(self, np.asarray(value, dtype=_constant_dtype(value, dtype)))

    def _stacked(self, gathered: Gathered) -> TracedArray:
        """Return the array that a list with one entry per row stacks to."""
        entries = gathered.entries()
        real = self._really(np.asarray, (entries,), {})
        rows = [cast(self.graph, self.array_of(entry).value, real[0].dtype) for entry in entries]
        if len({row.shape for row in rows}) > 1:
            self.refuse("rows of differing shape are stacked", hint="give all rows one shape")
        stack: TracedArray = wrap(self, real, stack_rows(self.graph, rows))
        return stack

    def holds_traced(self, *values: Any) -> bool:
        """Whether something among the values depends on the data."""
        return any(not (isinstance(one, Traced) and one.is_known) for one in traced_in(list(values)))

    def convert(self, array: Traced, dtype: Any, *, casting: str = "unsafe", copy: bool = True) -> Any:
        """Return `array.astype(dtype)`."""
        real = self._really(_as_type, (array, dtype, casting, copy), {})
        if real[0] is array.shadows[0]:
            return array
        if array.is_known:
            return known_pair(self, real, [])
        self.check_cast(array.value, dtype)
        return wrap(self, real, cast(self.graph, array.value, dtype))

    def check_cast(self, value: Value, dtype: Any) -> None:
        """Refuse to cut off the fraction of a value whose last bits may not be numpy's, or as no two processors do."""
        if value.dtype.kind == "f" and np.dtype(dtype) == np.uint32:
            self.refuse(
                "floats as uint32: NaN, and what is out of range, become numbers that depend on the place in the array",
                construct="astype(uint32)",
                hint="convert to np.int64 first: x.astype(np.int64).astype(np.uint32)",
            )
        if np.dtype(dtype).kind in "biu":
            self.require_exact(value, f"astype({np.dtype(dtype).name})")

    def python_number(self, value: Any, construct: str) -> Any:
        """Return what `.item()` gives: a Python number, which stays traced."""
        if value.is_known:
            return value.shadows[0].item()
        if any(pair != (1, 1) for pair in zip(value.shadows[0].shape, value.shadows[1].shape, strict=True)):
            self.refuse("one number is asked of an array of several", construct=construct)
        numbers = (value.shadows[0].item(), value.shadows[1].item())
        if value.dtype == np.uint64:
            self.refuse("a Python number of uint64 values", construct=construct, hint="convert to int64 first")
        wide = {bool: BOOL, int: INT64}.get(type(numbers[0]), np.dtype(np.float64))
        limits = np.iinfo(value.dtype) if value.dtype.kind in "iu" else np.iinfo(np.int64)
        bounds = (int(limits.min), int(limits.max))
        return TracedNumber(self, numbers, cast(self.graph, self.scalar_of(value), wide), bounds)

    def scalar_of(self, value: Traced) -> Value:
        """Return the one element of an array as a value without dimensions."""
        return reshape(self.graph, value.value, ())

    def size_of(self, value: Value, axis: int) -> Value:
        """Return the size of an axis as a value."""
        return dimension(self.graph, value, axis)

    def known_attribute(self, array: Traced, name: str) -> Any:
        """Return an attribute of a known array."""
        return known_attribute(self, array, name)

    # -- subscripts and loops

    def new_list(self, made: list[Any]) -> list[Any]:
        """Return a list of the text, watched where rows may fill it."""
        return Gathered(self, made) if self.mode == "row" else made

    def read_item(self, array: Traced, key: Any) -> Any:
        """Return `array[key]`."""
        try:
            return items.read(self, array, key)
        except (IndexError, ValueError, TypeError) as error:
            self.refuse(f"numpy raises {type(error).__name__}: {error}", construct="[...]")
        except NoCounterpart as error:
            self.refuse(str(error), construct="[...]")

    def write_item(self, array: TracedArray, key: Any, new: Any) -> None:
        """Carry out `array[key] = new`."""
        try:
            items.write(self, array, key, new)
        except (IndexError, ValueError, TypeError, OverflowError) as error:
            self.refuse(f"numpy raises {type(error).__name__}: {error}", construct="[...] =")
        except NoCounterpart as error:
            self.refuse(str(error), construct="[...] =")

    def walk(self, value: Any) -> Iterator[Any]:
        """Iterate where no loop of the text does."""
        if is_per_row(value):
            if self.mode == "batch":
                self.need_rows()
            self.refuse(
                "rows touch one another: something walks over all of them",
                hint="walk over the rows in a loop or a list comprehension, or write it for whole arrays",
            )
        if isinstance(value, Unreadable):
            value.__len__()
        dim = value.shape[0]
        if isinstance(dim, Size):
            self.refuse(
                "a Python loop over an axis whose length depends on the data",
                construct="for",
                hint="use functions on whole arrays",
            )
        return (value[at] for at in range(dim))


# What gives something else tomorrow, or reads files.
_OUTSIDE = (
    np.datetime64, np.load, np.loadtxt, np.genfromtxt, np.fromfile, np.memmap, np.save, np.savez, np.savetxt,
    np.show_config, np.get_include,
)  # fmt: skip
_CLOCK = frozenset({"now", "today"})
_SHIFTS = (np.fft.fftshift, np.fft.ifftshift)


def _as_type(value: Any, dtype: Any, casting: str, copy: bool) -> Any:
    if isinstance(value, np.generic):
        return value.astype(dtype)
    return value.astype(dtype, casting=casting, copy=copy)


def _constant_dtype(value: Any, wanted: Any) -> Any:
    """Return the dtype that a plain number takes beside an array of dtype `wanted`."""
    if wanted is None or type(value) not in (int, float):
        return None
    kinds = "f" if isinstance(value, float) else "iuf"
    return wanted if np.dtype(wanted).kind in kinds else None


def _name_of(function: Any) -> str:
    home = str(getattr(function, "__module__", "") or "")
    name = getattr(function, "__name__", None) or type(function).__name__
    home = "numpy" if home.startswith("numpy") and "." not in home.removeprefix("numpy.lib") else home
    if isinstance(function, np.ufunc):
        home = "numpy"
    return f"{home}.{name}" if home else str(name)
