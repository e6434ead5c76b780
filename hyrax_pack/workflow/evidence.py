"""The rows on which to_tensor and the graph are held against the original, and what to_tensor makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from hyrax_runtime.contract import OBJECT_ID, InputContract
from hyrax_runtime.replay import Returned, as_slots, compile_protected

from hyrax_pack.capturing import Captured
from hyrax_pack.data import DataProvider, Group, Observation, observe
from hyrax_pack.errors import AbsentLabelError, ExportError, HyraxError
from hyrax_pack.exporting import choose_golden_rows
from hyrax_pack.resolving import user_code

SAMPLE_ROWS = 8
HELD_OUT_ROWS = 256


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
    """

    group: Group
    sample: tuple[int, ...]
    held_out: tuple[int, ...]
    captured: Captured
    function: Callable[[Any], Any]

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
        there = self.group.paths(inference=True)
        absent = [path for path in self.group.paths() if path not in there]
        cause = error.__cause__
        key = cause.args[0] if isinstance(cause, KeyError) and cause.args else None
        for path in absent:
            field = path.rpartition("/")[2]
            if key == field:
                return AbsentLabelError(
                    f"{error}: {path} is a label, and there is none at inference; "
                    f'write data.get("{field}", []) where it says ["{field}"]'
                )
        if absent and self._works_with_labels(rows):
            names = ", ".join(absent)
            return AbsentLabelError(f"{error}; where {names} is there it works, and at inference there are no labels")
        return ExportError(f"{error}; the fields are {', '.join(there)}") if isinstance(key, str) else None

    def _works_with_labels(self, rows: Sequence[int]) -> bool:
        with suppress(HyraxError):
            self._returned(self.training_dict(rows), len(rows))
            return True
        return False

    def slots(self, rows: Sequence[int]) -> tuple[np.ndarray[Any, Any] | None, ...]:
        """Return the slots alone."""
        return self.returned(rows).slots

    def slots_of(self, data_dict: dict[str, Any]) -> tuple[np.ndarray[Any, Any] | None, ...]:
        """Return the slots that to_tensor makes of a dict that was changed."""
        return self._returned(data_dict, len(data_dict[OBJECT_ID])).slots

    def golden(self) -> tuple[dict[str, Any], int]:
        """Choose the golden rows; return them as to_tensor gets them, and how many they are."""
        rows = [*self.held_out, *self.sample][:HELD_OUT_ROWS]
        chosen = choose_golden_rows(self.data_dict(rows), len(rows))
        return self.data_dict([rows[at] for at in chosen]), len(chosen)


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
    few = "none is" if held_out is None else f"only {len(held_out)} of {held_out.name} are"
    return f"{few} held out: it is rows that training saw"


def gather_evidence(group: Group, captured: Captured) -> Evidence:
    """Choose the rows of a group: some to trace the graph with, others to hold it against."""
    rows = _spread(len(group), HELD_OUT_ROWS + SAMPLE_ROWS)
    sample = tuple(rows[at] for at in _spread(len(rows), min(SAMPLE_ROWS, (len(rows) + 1) // 2)))
    others = tuple(row for row in rows if row not in set(sample))
    return Evidence(group, sample, others, captured, compile_protected(captured.text, on_copy=True))


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
