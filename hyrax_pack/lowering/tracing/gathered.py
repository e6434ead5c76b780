"""Lists that the text makes, in a trace of rows: `out = []`, `[f(row) for row in rows]`.

A list that a loop over the rows fills has one entry per row, and how many rows there are is not known. So it may be
filled (one entry per row, in every way through the loop), measured with len(), walked over, turned into an array, and
asked by the row's position. In the loop that fills it nothing else may be asked of it: what the rows before left in it
is the one thing that no row may know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from hyrax_pack.lowering.tracing.numbers import Position
from hyrax_pack.lowering.tracing.shadows import RowsInText, stands_for

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace


@stands_for("list")
class Gathered(RowsInText):
    """A list of the text, watched.

    Attributes
    ----------
    born : int
        When it was made, on the clock of the loops over the rows.
    """

    __slots__ = ("_is_batch", "born", "trace")

    def __init__(self, trace: Trace, entries: Iterable[Any], *, is_batch: bool = False) -> None:
        super().__init__(entries)
        self.trace = trace
        self.born = trace.clock
        self._is_batch = is_batch

    @property
    def is_batch(self) -> bool:
        """Whether it has one entry per row."""
        return self._is_batch

    def fill(self) -> None:
        """Say that a loop has filled it with one entry per row."""
        self._is_batch = True

    def append(self, entry: Any) -> None:
        """As list.append; by a loop over the rows once per row."""
        self._refuse_batch(".append()")
        if self.trace.loop is not None and self.trace.loop.is_older(self):
            self.trace.loop.note_growth(self)
        list.append(self, entry)

    def __iter__(self) -> Iterator[Any]:
        if self._is_batch:
            self.trace.refuse(
                "rows touch one another: something walks over all of them",
                hint="walk over the rows in a loop or a list comprehension, or write it for whole arrays",
            )
        self._note_reading()
        return list.__iter__(self)

    def __len__(self) -> int:
        self._ask("len()")
        return list.__len__(self)

    def __bool__(self) -> bool:
        self._note_reading()
        return self._is_batch or list.__len__(self) > 0

    def __getitem__(self, key: Any) -> Any:
        self._note_reading()
        if not self._is_batch:
            return self._again(list.__getitem__(self, key))
        if isinstance(key, Position):
            return list.__getitem__(self, key.row)
        if isinstance(key, slice) and key == slice(None):
            return Gathered(self.trace, self.entries(), is_batch=True)
        return self._refuse("[...]")

    def __setitem__(self, key: Any, entry: Any) -> None:
        if self._is_batch and isinstance(key, Position):
            list.__setitem__(self, key.row, entry)
            return
        self._change("[...] =")
        list.__setitem__(self, key, entry)

    def _again(self, made: Any) -> Any:
        return Gathered(self.trace, made) if type(made) is list else made

    def _ask(self, construct: str) -> None:
        self._refuse_batch(construct)
        self._note_reading()

    def _note_reading(self) -> None:
        if self.trace.loop is not None and self.trace.loop.is_older(self):
            self.trace.loop.note_reading(self)

    def _change(self, construct: str) -> None:
        self._refuse_batch(construct)
        if self.trace.loop is not None and self.trace.loop.is_older(self):
            self.trace.loop.refuse_state(construct)

    def _refuse_batch(self, construct: str) -> None:
        if self._is_batch:
            self._refuse(construct)

    def _refuse(self, construct: str) -> NoReturn:
        self.trace.refuse(
            "a list with one entry per row is used as a list",
            construct=construct,
            hint="turn it into an array first: np.stack(rows)",
        )


def _reading(name: str) -> Callable[..., Any]:
    def method(self: Gathered, *args: Any, **kwargs: Any) -> Any:
        self._ask(f".{name}()" if not name.startswith("__") else "list")
        return self._again(getattr(list, name)(self, *args, **kwargs))

    return method


def _changing(name: str) -> Callable[..., Any]:
    def method(self: Gathered, *args: Any, **kwargs: Any) -> Any:
        self._change(f".{name}()" if not name.startswith("__") else "list")
        return getattr(list, name)(self, *args, **kwargs)

    return method


for _name in ("__add__", "__mul__", "__rmul__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__",
              "__contains__", "__reversed__", "__repr__", "copy", "count", "index"):  # fmt: skip
    setattr(Gathered, _name, _reading(_name))
for _name in ("__delitem__", "__iadd__", "__imul__", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"):
    setattr(Gathered, _name, _changing(_name))
