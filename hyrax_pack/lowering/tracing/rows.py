"""What stands for `data_dict` and the lists in it.

A field in list form is a list with one entry per row. It may be turned into an array, measured with len(), and walked
over; walking needs a trace of one row (see graph.vectorising). Fields that no graph can hold (text, rows of differing
length) may be passed by, not used.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, KeysView
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from hyrax_runtime.contract import Element

from hyrax_pack.lowering.tracing.arrays import Traced, TracedArray
from hyrax_pack.lowering.tracing.numbers import Position
from hyrax_pack.lowering.tracing.shadows import RowsInText, Shadowed, stands_for
from hyrax_pack.lowering.tracing.untouchable import Untouchable

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace


@stands_for("list")
class Rows(Shadowed):
    """A list: the rows of a field (`is_batch`), or a nested list inside a row that is plain Python.

    `stack` is the array that `np.array` makes of it.
    """

    def __hash__(self) -> int:
        raise TypeError("unhashable type: 'list'")

    def __init__(self, trace: Trace, stack: TracedArray, element: Element, *, is_batch: bool) -> None:
        self.trace = trace
        self.stack = stack
        self.element = element
        self.is_batch = is_batch

    def shadow(self, which: int) -> list[Any]:
        """Return the real list of one batch."""
        values = self.stack.shadows[which]
        return values.tolist() if self.element == "python" else list(values)

    def __iter__(self) -> Iterator[Any]:
        if self.is_batch:
            return self.trace.walk(self)
        return iter([self._entry(at) for at in range(len(self.stack.shadows[0]))])

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, Position):
            return self._entry(key)
        if isinstance(key, slice) and (key.start or 0, key.stop, key.step or 1) == (0, None, 1):
            return self
        if isinstance(key, int):
            return self._entry(key)
        if isinstance(key, Untouchable):
            key.refuse()
        return self.trace.refuse(
            "part of the list of rows is taken", hint="turn the list into an array first: np.asarray(rows)"
        )

    def __len__(self) -> int:
        if self.is_batch and self.trace.mode == "batch":
            self.trace.refuse("the number of rows is asked for where only a plain number can stand", construct="len()")
        return len(self.stack.shadows[0])  # asked by list() and its like, as a hint

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self.trace.call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.trace.call_numpy(function, args, kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        self.trace.refuse("the rows go where only a real array can")

    def __copy__(self) -> Rows:
        return self

    def __deepcopy__(self, memo: Any) -> Rows:
        copied: TracedArray = np.copy(self.stack)  # type: ignore[assignment]
        return Rows(self.trace, copied, self.element, is_batch=self.is_batch)

    def _as_a_list(self, *args: Any) -> NoReturn:
        self.trace.refuse(
            "the list of rows is compared, joined or changed as a list",
            hint="turn the list into an array first: np.asarray(rows)",
        )

    def _with_array(self, other: Any) -> Any:
        if isinstance(other, list | tuple | Rows):
            self._as_a_list()
        return NotImplemented

    __add__ = __radd__ = _with_array
    __mul__ = __rmul__ = __iadd__ = __imul__ = __setitem__ = __delitem__ = _as_a_list
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __reversed__ = __repr__ = __str__ = __format__ = _as_a_list
    __eq__ = __ne__ = _as_a_list

    def __bool__(self) -> bool:
        return True  # a batch is never empty here

    def __getattr__(self, name: str) -> Any:
        if name == "copy":
            return lambda: self
        if name.startswith("__") or not hasattr(list, name):
            raise AttributeError(f"'list' object has no attribute {name!r}")
        return self.trace.refuse(f"list.{name} of the rows", construct=f".{name}()", hint="np.asarray(rows) first")

    def _entry(self, at: int | Position) -> Any:
        entry = self.stack[at]
        if self.element != "python":
            return entry
        if self.stack.ndim > 1:
            return Rows(self.trace, entry, "python", is_batch=False)
        return self.trace.python_number(entry, "")


def is_stacked(value: Any) -> bool:
    """Whether a value is one array, or a list that is taken as one: that of the rows."""
    return isinstance(value, Traced | Rows) or (isinstance(value, RowsInText) and value.is_batch)


@stands_for("list")
class Unreadable(Untouchable):
    """A field that no graph can hold, and why."""

    trace: Trace
    path: str
    why: str
    is_row: bool

    def __init__(self, trace: Trace, path: str, why: str, *, is_row: bool = False) -> None:
        self.__dict__.update(trace=trace, path=path, why=why, is_row=is_row)

    def refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        self.trace.refuse(
            f"the field {self.path!r} is used, and {self.why}",
            hint="turn it into numbers of one shape in the data set's getter",
        )

    def __iter__(self) -> Iterator[Any]:
        if self.is_row:
            self.refuse()
        return self.trace.walk(self)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, Position):
            return Unreadable(self.trace, self.path, self.why, is_row=True)
        return self.refuse()


class Stale(Untouchable):
    """What a name holds that the row before has bound: whatever a row does with it, rows touch one another."""

    trace: Trace

    def __init__(self, trace: Trace) -> None:
        self.__dict__["trace"] = trace

    def refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        self.trace.refuse(
            "rows touch one another: a value carries over from row to row",
            construct="for",
            hint="let a row use nothing but its own values, or write it for whole arrays",
        )


@stands_for("dict")
class FieldDict(dict[str, Any]):
    """`data_dict` or the fields of one data set; remembers which keys were asked for and are not there."""

    def __init__(self, fields: dict[str, Any], asked: set[str], prefix: str = "") -> None:
        super().__init__(fields)
        self._asked = asked
        self._prefix = prefix

    def _ask(self, key: Any) -> None:
        if isinstance(key, str) and not super().__contains__(key):
            self._asked.add(self._prefix + key)

    def __getitem__(self, key: str) -> Any:
        self._ask(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._ask(key)
        return super().__contains__(key)

    def __copy__(self) -> FieldDict:
        return FieldDict(dict(self), self._asked, self._prefix)

    def __deepcopy__(self, memo: Any) -> FieldDict:
        return FieldDict({key: copy.deepcopy(value) for key, value in self.items()}, self._asked, self._prefix)

    def copy(self) -> FieldDict:
        """As dict.copy."""
        return self.__copy__()

    def keys(self) -> Any:
        """As dict.keys, by a view whose `in` asks this dict."""
        return KeysView(self)

    def get(self, key: str, default: Any = None) -> Any:
        """As dict.get."""
        self._ask(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        """As dict.pop."""
        self._ask(key)
        return super().pop(key, *default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """As dict.setdefault."""
        self._ask(key)
        return super().setdefault(key, default)
