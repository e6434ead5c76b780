"""Branches on values: one run of the function takes one way; all ways are taken in turn and joined in the graph.

`if x.max() > 1:` asks for the truth of a value that is only known when the graph runs. The first run answers as the
shadows would, the following runs answer otherwise, and where the ways come together the condition chooses.

In a trace of rows every row asks for itself. One run lets one row leave the shadows' way while the others keep to it:
so each row is seen on all its ways, and what one row's way does to another row's result would show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hyrax_pack.lowering.graph.building import Value

MAX_WAYS = 32


@dataclass
class Way:
    """One way through the function: the conditions that were asked, in order, and the answers given.

    Attributes
    ----------
    forced : tuple of bool
        The answers to the first conditions.
    conditions : list of Value
    answers : list of bool
    seen : list of bool
        What the shadows would answer.
    rows : list of int or None
        The row that asks; None where no single row does.
    """

    forced: tuple[bool, ...] = ()
    conditions: list[Value] = field(default_factory=list)
    answers: list[bool] = field(default_factory=list)
    seen: list[bool] = field(default_factory=list)
    rows: list[int | None] = field(default_factory=list)

    def answer(self, condition: Value, seen: bool, row: int | None = None) -> bool:
        """Answer for a condition: as forced, as before if it was asked before, else as the shadows have it."""
        for asked, given in zip(self.conditions, self.answers, strict=True):
            if asked.name == condition.name:
                return given
        at = len(self.conditions)
        self.conditions.append(condition)
        self.answers.append(self.forced[at] if at < len(self.forced) else seen)
        self.seen.append(seen)
        self.rows.append(row)
        return self.answers[-1]

    def leaves(self, row: int, before: int | None = None) -> bool:
        """Whether another row than this one leaves the way of the shadows, among the first conditions."""
        steps = list(zip(self.answers, self.seen, self.rows, strict=True))[:before]
        return any(given is not seen and asking not in (row, None) for given, seen, asking in steps)

    def of_row(self, row: int) -> Way:
        """Return the part of the way that one row takes."""
        kept = [at for at, asking in enumerate(self.rows) if asking in (row, None)]
        return Way((), [self.conditions[at] for at in kept], [self.answers[at] for at in kept])


def next_way(ways: Sequence[Way]) -> Way | None:
    """Return the way that turns off at the last branch whose other side was not taken; None when all were."""
    taken = {tuple(way.answers[: length + 1]) for way in ways for length in range(len(way.answers))}
    last = ways[-1]
    for length in reversed(range(len(last.answers))):
        row = last.rows[length]
        if row is not None and last.leaves(row, length):
            continue
        other = (*last.answers[:length], not last.answers[length])
        if other not in taken:
            return Way(forced=other)
    return None


def join_ways(
    ways: Sequence[Way], results: Sequence[Value], choose: Callable[[Value, Value, Value], Value], depth: int = 0
) -> Value:
    """Join the results of all ways into one value, asking the conditions in the order in which they were met."""
    if len(ways) == 1:
        return results[0]
    condition = ways[0].conditions[depth]
    sides = []
    for side in (True, False):
        at = [index for index, way in enumerate(ways) if way.answers[depth] is side]
        sides.append(join_ways([ways[i] for i in at], [results[i] for i in at], choose, depth + 1))
    return sides[0] if sides[0].name == sides[1].name else choose(condition, sides[0], sides[1])
