"""The rows on which to_tensor and the graph are held against the original, and what to_tensor makes of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from hyrax_runtime.contract import OBJECT_ID, InputContract
from hyrax_runtime.replay import Returned, as_slots, compile_protected

from hyrax_pack.capturing import Captured
from hyrax_pack.data import DataProvider, Group, Observation, observe
from hyrax_pack.data.absent import words_on_absent_labels
from hyrax_pack.errors import AbsentLabelError, ExportError
from hyrax_pack.exporting import GOLDEN_ROWS, choose_golden_rows
from hyrax_pack.resolving import user_code
from hyrax_pack.workflow.changed_rows import joined_rows, with_planted_nan

if TYPE_CHECKING:
    from hyrax_pack.exporting import Trial

SAMPLE_ROWS = 8
HELD_OUT_ROWS = 256
MOST_ODD = 64
PLANTED_ROWS = 9
ROUNDS_OF_CHOOSING = 3

Steady = Callable[[tuple[np.ndarray[Any, Any] | None, ...]], np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Evidence:
    """Rows of one group, as inference sees them.

    Attributes
    ----------
    group : Group
        Held-out rows where there are enough of them, else training rows.
    sample : tuple of int
        Rows that the graph is traced with.
    held_out : tuple of int
        Other rows, for the gate.
    captured : Captured
        The text of to_tensor.
    function : callable
        The same compiled, on a copy of its input.
    odd : tuple of (Group, tuple of int)
        Rows, of this group and of others, that hold NaN or infinities, or a field's least or greatest value.
    with_nan : tuple of str
        Paths of fields in which training saw a NaN.
    """

    group: Group
    sample: tuple[int, ...]
    held_out: tuple[int, ...]
    captured: Captured
    function: Callable[[Any], Any]
    odd: tuple[tuple[Group, tuple[int, ...]], ...] = ()
    with_nan: tuple[str, ...] = ()

    def data_dict(self, rows: Sequence[int]) -> dict[str, Any]:
        """Return rows as to_tensor gets them at inference."""
        return self.group.data_dict(rows, inference=True)

    def training_dict(self, rows: Sequence[int]) -> dict[str, Any]:
        """Return rows as to_tensor gets them in training, with their labels."""
        return self.group.data_dict(rows)

    def returned(self, rows: Sequence[int]) -> Returned:
        """Return what to_tensor makes of rows at inference."""
        try:
            return self._returned(self.data_dict(rows), len(rows))
        except ExportError as error:
            explained = self._explained(error, rows)
            if explained is None:
                raise
            raise explained from error

    def _returned(self, data_dict: dict[str, Any], rows: int) -> Returned:
        with user_code("to_tensor at inference", ExportError, self.captured.place_in):
            return as_slots(self.function(data_dict), rows=rows)

    def _explained(self, error: ExportError, rows: Sequence[int]) -> ExportError | None:
        """Say which absent label a failure is about, and how to write it, or which fields there are."""
        words = words_on_absent_labels(error, self.group, lambda: self._returned(self.training_dict(rows), len(rows)))
        if words is not None:
            return AbsentLabelError(words)
        cause = error.__cause__
        if not isinstance(cause, KeyError) or not cause.args or not isinstance(cause.args[0], str):
            return None
        return ExportError(f"{error}; the fields are {', '.join(self.group.paths(inference=True))}")

    def slots(self, rows: Sequence[int]) -> tuple[np.ndarray[Any, Any] | None, ...]:
        """Return the slots alone."""
        return self.returned(rows).slots

    def slots_of(self, data_dict: dict[str, Any]) -> tuple[np.ndarray[Any, Any] | None, ...]:
        """Return the slots that to_tensor makes of a dict that was changed."""
        return self._returned(data_dict, len(data_dict[OBJECT_ID])).slots

    def trials(self) -> list[Trial]:
        """Return batches for the gate beside those of its own: odd rows, and rows with NaN where the data has some."""
        from hyrax_pack.exporting import Trial

        found = [
            Trial(
                f"{len(rows)} rows of {group.name} with NaN, infinities, or a field's extremes",
                self.slots_of(group.data_dict(rows, inference=True)),
            )
            for group, rows in self.odd
        ]
        rows = [*self.held_out, *self.sample][:PLANTED_ROWS]
        for path in self.with_nan:
            planted = with_planted_nan(self.data_dict(rows), path)
            if planted is None:
                continue
            # values made up by us: the function may refuse them, or warn of them
            with suppress(ExportError), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found.append(Trial(f"{len(rows)} rows with NaN in {path}", self.slots_of(planted), made_up=True))
        return found

    def golden(self, steady: Steady) -> tuple[dict[str, Any], int]:
        """Choose the golden rows; return them as to_tensor gets them, and how many they are.

        Odd rows are among those to choose from; of other groups' rows, where there is a way to join them. Rows whose
        answer hangs on rounding prove nothing about another machine: `steady` says which do not.
        """
        own = [row for group, rows in self.odd if group is self.group for row in rows]
        rows = list(dict.fromkeys([*own, *self.held_out, *self.sample]))[:HELD_OUT_ROWS]
        chosen = self.data_dict(self._steady_rows(self.group, rows, steady, GOLDEN_ROWS))
        for group, others in self.odd:
            if group is self.group:
                continue
            picked = self._steady_rows(group, others, steady, 2)
            joined = joined_rows(chosen, group.data_dict(picked, inference=True))
            if joined is not None:
                chosen = joined
        return chosen, len(chosen[OBJECT_ID])

    def _steady_rows(self, group: Group, rows: Sequence[int], steady: Steady, count: int) -> list[int]:
        """Choose rows until all of them are steady; where none is, as if all were."""
        left = list(rows)
        picked: list[int] = []
        for _ in range(ROUNDS_OF_CHOOSING):
            places = choose_golden_rows(group.data_dict(left, inference=True), len(left), count=count)
            chosen = [left[at] for at in places]
            flags = steady(self.slots_of(group.data_dict(chosen, inference=True)))
            if flags.all():
                return chosen
            unsteady = {row for row, good in zip(chosen, flags, strict=True) if not good}
            picked = picked or chosen
            left = [row for row in left if row not in unsteady]
            if not left:
                return picked
        return [row for row in chosen if row not in unsteady] or picked


def evidence_group(provider: DataProvider) -> Group:
    """Choose where the rows come from: what training did not see, where that is enough to fill a batch.

    Raises
    ------
    DataError
        There are no rows.
    """
    held_out = provider.held_out()
    enough = held_out is not None and len(held_out) >= 2 * SAMPLE_ROWS
    return held_out if held_out is not None and enough else provider.group("train")


def why_seen(provider: DataProvider, group: Group, in_training: Mapping[str, int]) -> str | None:
    """Say why the rows of a group are no proof of what a model does on rows that it never saw; None where they are.

    Parameters
    ----------
    in_training : mapping of str to int
        Groups of which so many rows stood in the training data too.
    """
    if group.name != "train":
        count = in_training.get(group.name, 0)
        return f"{count:,} of the {len(group):,} rows of {group.name} were in training too" if count else None
    held_out = provider.held_out()
    few = "no rows are held out" if held_out is None else f"only {len(held_out)} rows of {held_out.name} are held out"
    return f"{few}: the proof is made with rows that training saw"


def gather_evidence(
    group: Group,
    captured: Captured,
    observed: Observation | None = None,
    groups: Iterable[Group] = (),
) -> Evidence:
    """Choose the rows of a group: some to trace the graph with, others to hold it against.

    Parameters
    ----------
    group : Group
    captured : Captured
        The text of to_tensor.
    observed : Observation, optional
        What was seen of the fields, and which rows stood out.
    groups : iterable of Group
        Where those rows are to be found, beside `group`.
    """
    rows = _spread(len(group), HELD_OUT_ROWS + SAMPLE_ROWS)
    sample = tuple(rows[at] for at in _spread(len(rows), min(SAMPLE_ROWS, (len(rows) + 1) // 2)))
    others = tuple(row for row in rows if row not in set(sample))
    function = compile_protected(captured.text, on_copy=True)
    if observed is None:
        return Evidence(group, sample, others, captured, function)
    places = {each.name: each for each in (*groups, group)}
    odd = {
        name: [row for row in rows if row < len(places[name])] for name, rows in observed.odd.items() if name in places
    }
    return Evidence(
        group,
        sample,
        others,
        captured,
        function,
        tuple((places[name], tuple(rows[:MOST_ODD])) for name, rows in odd.items() if rows),
        observed.with_nan,
    )


def record_contract(
    trained: Observation, evidence: Evidence, fields_read: frozenset[str], batch: Literal["independent", "joint"]
) -> InputContract:
    """Return the contract of the rows that training saw; rows of the evidence let their shapes in.

    Raises
    ------
    DataError
        A field that is read cannot have a contract, or the evidence has it otherwise than training.
    """
    shown = observe([evidence.data_dict([*evidence.sample, *evidence.held_out])], evidence.group)
    return trained.widened(shown).contract(fields_read, batch=batch)


def _spread(count: int, most: int) -> list[int]:
    """Up to `most` numbers of 0 … count - 1, evenly spread."""
    return list(dict.fromkeys(np.linspace(0, count - 1, min(count, most)).astype(int).tolist())) if count else []
