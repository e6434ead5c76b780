"""One run of the function: where its calls arrive, and what has to be remembered.

Numpy's own dispatch (`__array_ufunc__`, `__array_function__`) and the rewritten text (see text.py) bring every call
here; calling.py carries it out.
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
from hyrax_pack.lowering.graph.rows import ALL_ROWS, rows_behind
from hyrax_pack.lowering.operations.casting import BOOL, cast
from hyrax_pack.lowering.operations.reducing import dimension
from hyrax_pack.lowering.operations.shaping import reshape
from hyrax_pack.lowering.refusal import Refused, RowsNeeded
from hyrax_pack.lowering.tracing import calling, converting, items
from hyrax_pack.lowering.tracing.arrays import Traced, TracedArray
from hyrax_pack.lowering.tracing.calculating import emit_number
from hyrax_pack.lowering.tracing.decisions import Way
from hyrax_pack.lowering.tracing.explaining import really
from hyrax_pack.lowering.tracing.gathered import Gathered
from hyrax_pack.lowering.tracing.numbers import Size
from hyrax_pack.lowering.tracing.rows import Unreadable
from hyrax_pack.lowering.tracing.rule import Rule
from hyrax_pack.lowering.tracing.shadows import BATCH_SIZES, ROW_SIZES, traced_in
from hyrax_pack.lowering.tracing.text import line_in_text
from hyrax_pack.lowering.tracing.walking import Loop, is_per_row
from hyrax_pack.lowering.tracing.wrapping import known_attribute

Mode = Literal["batch", "row"]


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
        self.stop(Refused(Reason(text, line_in_text(sys._getframe(1)), construct, hint)))

    def need_rows(self) -> NoReturn:
        """Stop the trace of a batch: the function walks over its rows."""
        reason = Reason("a Python loop over the rows", line_in_text(sys._getframe(1)), "for")
        self.stop(RowsNeeded(reason))

    def leave_loop(self) -> None:
        """Remember that a loop over the rows was left before its end; an error may pass through it all the same."""
        text = "rows touch one another: a loop over the rows is left before its end"
        line = line_in_text(sys._getframe(1))
        self.left = self.left or Refused(Reason(text, line, "break", "let it run over all rows"))

    def stop(self, refused: Refused) -> NoReturn:
        """Stop the trace, and remember why."""
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
        return calling.carry_out(self, function, args, kwargs)

    def call_numpy(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Lower one of numpy's functions by its rule."""
        return calling.carry_out_numpy(self, function, args, kwargs)

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
        dtype = np.asarray(really(self, operator.pow, (base, exponent), {})[0]).dtype
        return made if dtype == made.dtype else made.astype(dtype)

    def calculate(self, function: Callable[..., Any], operands: tuple[Any, ...]) -> Any:
        """Calculate with Python numbers."""
        return emit_number(self, function, operands)

    # -- values

    def array_of(self, value: Any, dtype: Any = None) -> Any:
        """Return what `np.asarray` makes of anything; a constant becomes a known array."""
        return converting.array_of(self, value, dtype)

    def convert(self, array: Traced, dtype: Any, *, casting: str = "unsafe", copy: bool = True) -> Any:
        """Return `array.astype(dtype)`."""
        return converting.convert(self, array, dtype, casting=casting, copy=copy)

    def python_number(self, value: Any, construct: str) -> Any:
        """Return what `.item()` gives: a Python number, which stays traced."""
        return converting.python_number(self, value, construct)

    def holds_traced(self, *values: Any) -> bool:
        """Whether something among the values depends on the data."""
        return any(not (isinstance(one, Traced) and one.is_known) for one in traced_in(list(values)))

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

    def scalar_of(self, value: Value) -> Value:
        """Return the one element of an array as a value without dimensions."""
        return reshape(self.graph, value, ())

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
        return (value[at] for at in self.steps_along(value))

    def steps_along(self, value: Any) -> range:
        """Return the positions along the first axis of what is walked over where no loop of the text does."""
        if is_per_row(value):
            if self.mode == "batch":
                self.need_rows()
            self.refuse(
                "rows touch one another: something walks over all of them",
                hint="walk over the rows in a loop or a list comprehension, or write it for whole arrays",
            )
        if isinstance(value, Unreadable):
            value.refuse()
        dim = value.shape[0]
        if isinstance(dim, Size):
            self.refuse(
                "a Python loop over an axis whose length depends on the data",
                construct="for",
                hint="use functions on whole arrays",
            )
        return range(dim)
