"""Loops over the rows: the text's own Python, run for two rows that stand for any number.

Two rows are met one after the other, each with its own part of every field. What they may share, and what they may not:

values   the graph shows which rows a result depends on (see graph.projecting); another row, or all of them, refuses
state    after a row everything in reach is as it was before it (see watching.py), lists grow by one entry per row
         (see gathered.py), names that a row binds are stale for the next, and arrays are written by a row's position
way      branches are followed for each row apart (see decisions.py)

So the second row meets what the first one met, and by induction so does every other.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from hyrax_pack.lowering.tracing.arrays import Traced, TracedArray
from hyrax_pack.lowering.tracing.complexes import TracedComplex
from hyrax_pack.lowering.tracing.gathered import Gathered
from hyrax_pack.lowering.tracing.numbers import Position
from hyrax_pack.lowering.tracing.rows import Rows, Unreadable
from hyrax_pack.lowering.tracing.shadows import ROWS, stands_for
from hyrax_pack.lowering.tracing.watching import State, Unwatchable, look_at, what_changed

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace


@stands_for("iterator")
class PerRow:
    """What gives one entry per row, once: enumerate(), zip(), map() and range() over the rows."""

    def __init__(self, trace: Trace, entries: Sequence[Any]) -> None:
        self._trace = trace
        self._entries = list(entries)
        self._is_used = False

    def take(self) -> list[Any]:
        """Return the entries; an iterator has nothing left the second time."""
        if self._is_used:
            self._refuse()
        self._is_used = True
        return self._entries

    def _refuse(self, *args: Any) -> NoReturn:
        self._trace.refuse("an iterator over the rows is kept", construct="iterator", hint="walk over it at once")

    __iter__ = __next__ = __len__ = __getitem__ = __bool__ = __eq__ = _refuse

    def __hash__(self) -> int:
        return self._refuse()


class Loop:
    """A loop over the rows while it runs."""

    def __init__(self, trace: Trace, unseen: frozenset[str]) -> None:
        self._trace = trace
        self._unseen = unseen
        self._grown: dict[int, tuple[Gathered, int]] = {}
        self._filled: set[int] | None = None
        self._read: set[int] = set()
        self._before: State = {}
        self._lengths: dict[int, int] = {}
        self.began = trace.clock

    def is_older(self, thing: Gathered | TracedArray) -> bool:
        """Whether something was there before the row that is met now."""
        born = thing.root.born if isinstance(thing, TracedArray) else thing.born
        return born < self.began

    def note_growth(self, grown: Gathered) -> None:
        """Remember that a row adds to a list."""
        self._lengths.setdefault(id(grown), len(grown.entries()))
        self._grown[id(grown)] = (grown, self._grown.get(id(grown), (grown, 0))[1] + 1)
        self._check_reading(grown)

    def note_reading(self, read: Gathered) -> None:
        """Remember that a row looks at a list."""
        self._read.add(id(read))
        self._check_reading(read)

    def _check_reading(self, one: Gathered) -> None:
        if id(one) in self._read and (id(one) in self._grown or id(one) in (self._filled or ())):
            self.refuse_state("a list that it fills")

    def refuse_state(self, what: str) -> NoReturn:
        """Refuse what one row would leave behind for the next."""
        self._trace.refuse(
            f"rows touch one another: {what} carries over from row to row",
            construct="for",
            hint="let a row use nothing but its own values, or write it for whole arrays",
        )

    def begin_row(self, frame: types.FrameType | None) -> None:
        """Look at everything in reach before a row is met."""
        self._trace.clock += 1
        self.began = self._trace.clock
        self._grown, self._lengths = {}, {}
        self._before = self._look(frame)

    def end_row(self, frame: types.FrameType | None) -> None:
        """Require that the row has left everything as it was, and filled the same lists as the row before."""
        changed = what_changed(self._before, self._look(frame))
        if changed is not None:
            self.refuse_state(repr(changed))
        filled = set(self._grown)
        if any(count != 1 for _, count in self._grown.values()) or self._filled not in (None, filled):
            self._trace.refuse(
                "rows are left out, or add several entries", construct=".append()", hint="one entry for every row"
            )
        self._filled = filled

    def finish(self) -> None:
        """Say of the lists that were filled that they have one entry per row."""
        for grown, _ in self._grown.values():
            if len(grown.entries()) != ROWS:
                self._trace.refuse("a list holds other entries than those of the rows", construct=".append()")
            grown.fill()

    def _look(self, frame: types.FrameType | None) -> State:
        try:
            return look_at(frame, self._unseen, self._lengths)
        except Unwatchable as error:
            self.refuse_state(f"the iterator {error.args[0]!r}")


def entries_per_row(trace: Trace, value: Any) -> list[Any] | None:
    """Return what a loop meets in something that has one entry per row; None where it has not."""
    if isinstance(value, PerRow):
        return value.take()
    if isinstance(value, Gathered):
        return value.entries() if value.is_batch else None
    if not is_per_row(value):
        return None
    if trace.mode == "batch":
        trace.need_rows()
    return [value[Position(trace, row)] for row in range(ROWS)]


def is_per_row(value: Any) -> bool:
    """Whether something has one entry per row of the batch."""
    if isinstance(value, Rows | Gathered):
        return value.is_batch
    if isinstance(value, Unreadable):
        return not value.is_row
    if isinstance(value, Traced):
        return bool(value.ndim) and not value.is_known and value.value.shape[0] is value.tracer.graph.rows
    if isinstance(value, TracedComplex):
        return is_per_row(value.real)
    return isinstance(value, PerRow)


def walk_rows(trace: Trace, entries: Sequence[Any], unseen: frozenset[str]) -> Iterator[Any]:
    """Hand out the rows one after the other and watch what happens to each."""
    if trace.loop is not None:
        trace.refuse("a loop over the rows inside a loop over the rows", construct="for")
    loop = trace.loop = Loop(trace, unseen)
    try:
        for entry in entries:
            loop.begin_row(sys._getframe(1))
            yield entry
            loop.end_row(sys._getframe(1))
    except GeneratorExit:
        trace.leave_loop()
        raise
    trace.loop = None
    trace.clock += 1
    loop.finish()


class Loops:
    """The loops of a text by where they stand: those that have just met rows, and names that they left stale."""

    def __init__(self, trace: Trace, bound: Sequence[frozenset[str]]) -> None:
        self._trace = trace
        self._bound = bound
        self._met: dict[int, list[bool]] = {}

    def enter(self, site: int, iterable: Any) -> Iterator[Any]:
        """Begin a loop, of any kind."""
        entries = entries_per_row(self._trace, iterable)
        self._met.setdefault(site, []).append(entries is not None)
        if entries is None:
            return iter(iterable)
        return walk_rows(self._trace, entries, self._bound[site])

    def meets_rows(self, site: int) -> bool:
        """Whether the loop that runs at a place is one over the rows."""
        return self._met[site][-1]

    def leave(self, site: int) -> bool:
        """End a loop and say whether it was one over the rows."""
        return self._met[site].pop()

    def gather(self, site: int, made: list[Any]) -> Any:
        """Return what a list comprehension has made."""
        if not self.leave(site):
            return self._trace.new_list(made)
        if len(made) != ROWS:
            self._trace.refuse("a list holds other entries than one per row", construct="[... for ...]")
        return Gathered(self._trace, made, is_batch=True)

    def gather_now(self, site: int, generator: Iterator[Any]) -> Any:
        """Return a generator that is an argument of a call; one over rows is walked at once, which changes nothing."""
        if self.meets_rows(site):
            return self.gather(site, list(generator))
        self.leave(site)
        return generator

    def refuse_rows(self, site: int, made: Any) -> Any:
        """Refuse a generator that is kept, a set or a dict, over rows; let it pass over anything else."""
        if self.leave(site):
            self._trace.refuse("rows are gathered in something that is no list", construct="for", hint="[... for ...]")
        return made

    def keep(self, site: int, condition: Any) -> bool:
        """Answer the `if` of a comprehension: rows are not left out."""
        is_kept = bool(condition)
        if not is_kept and any(self._met.get(site, ())):
            self._trace.refuse("rows are left out", construct="if", hint="one entry for every row")
        return is_kept
