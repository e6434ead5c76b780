"""The gate: the graph, run by the session that production uses, against the trained model, on every trial and output.

Nothing here is a warning. A value off by more than the tolerance, a NaN where there was a number, another shape or
dtype, a missing or renamed output, an error at any batch size: no graph leaves this module.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hyrax_runtime.difference import Apart, differences, worst_of
from hyrax_runtime.session import Session
from numpy.typing import NDArray

from hyrax_pack.errors import HyraxError, ParityError
from hyrax_pack.exporting.answering import Outputs
from hyrax_pack.exporting.constant_rows import CAUSE, all_constant
from hyrax_pack.exporting.noise import Answer, NoiseReport
from hyrax_pack.exporting.slots import Layout, Slots, not_finite_rows


@dataclass
class Record:
    """What the gate saw of one output, over all trials.

    `error` is the greatest difference from the float64 model, `difference` that from the float32 model. `closest` is
    the place where the error takes the most of what is allowed, `column` its place on the axis that has figures of its
    own. `decisions` counts rows whose greatest entry was looked for, `flips` those where graph and model chose another
    one.
    `decided_otherwise` are the rows of the pool where the graph took the decision of float64, not that of float32.
    """

    error: float = 0.0
    difference: float = 0.0
    closest: Apart = field(default_factory=lambda: Apart(0.0, math.inf, ()))
    column: int = 0
    decisions: int = 0
    flips: int = 0
    decided_otherwise: set[int] = field(default_factory=set)


@dataclass
class Fault:
    """One disagreement: on which output and trial, and in words what was found.

    `constant`: it is about rows of equal values only.
    """

    output: str
    trial: str
    size: int
    what: str
    difference: float
    tolerance: float
    share: float
    not_finite: bool = False
    whole: bool = False
    of_values: bool = False
    constant: bool = False


@dataclass
class Gate:
    """Collects faults over all trials, so that the message can say which batches are right and which wrong."""

    layout: Layout
    noise: NoiseReport
    lines: dict[str, str] = field(default_factory=dict)
    guards: Callable[[], Sequence[str]] = tuple  # these two are asked for only where there is a fault to explain
    imprecise: Callable[[], Sequence[str]] = tuple
    records: dict[str, Record] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    trials: list[str] = field(default_factory=list)
    pool: Slots = ()

    def check(self, session: Session, answers: Sequence[Answer]) -> dict[str, Record]:
        """Run every trial through the graph and compare.

        Raises
        ------
        ParityError
            Graph and model disagree anywhere.
        """
        self._check_interface(session, answers[0].narrow)
        self.records = {name: Record() for name in answers[0].narrow}
        self.pool = answers[0].trial.slots
        for answer in answers:
            self.trials.append(answer.trial.label)
            outputs = self._run(session, answer)
            if outputs is not None:
                for name in answer.narrow:
                    self._compare(name, outputs[name], answer)
        if self.faults:
            raise self._error()
        return self.records

    def _check_interface(self, session: Session, wanted: Outputs) -> None:
        inputs = [str(slot.graph_input) for _, slot in self.layout.inputs]
        for what, expected, found in (
            ("inputs", inputs, [tensor.name for tensor in session.inputs]),
            ("outputs", list(wanted), [tensor.name for tensor in session.outputs]),
        ):
            if expected != found:
                raise ParityError(
                    f"the graph's {what} are {', '.join(found) or 'none'}; the model's are {', '.join(expected)}: "
                    "one was lost, renamed or moved on the way"
                )

    def _run(self, session: Session, answer: Answer) -> Outputs | None:
        try:
            return session.run(self.layout.feed(answer.trial.slots))
        except HyraxError as error:
            said = str(error)
            self._fault("", answer, f"the graph fails: {said}{self._line(said)}", math.inf, 0.0)
            return None

    def _compare(self, name: str, found: NDArray[Any], answer: Answer) -> None:
        wanted, noise = answer.narrow[name], self.noise.outputs[name]
        unlike = _unlike(wanted, found)
        if unlike:
            self._fault(name, answer, unlike, math.inf, float(noise.tolerance.max()))
            return
        record = self.records[name]
        slack = noise.slack_of(answer.trial)
        allowed = np.broadcast_to(noise.allowed(wanted, slack), wanted.shape)
        difference = differences(wanted, found)
        error = difference
        if answer.wide is not None and wanted.dtype.kind == "f":
            error = _apart_from_wide(found, answer.wide[name], wanted)
        _count_flips(record, wanted, found)
        parted = np.isinf(slack)
        wrong = _rows_beyond(np.maximum(difference, error), allowed) & ~parted
        wrong |= _rows_beyond(difference, allowed) & _rows_beyond(error, allowed) & parted
        if wrong.any():
            self._describe_fault(name, found, answer, np.maximum(difference, error), allowed, wrong)
            return
        if answer.trial.rows is not None:
            otherwise = np.flatnonzero(_rows_beyond(difference, allowed) & parted).tolist()
            record.decided_otherwise.update(answer.trial.rows[at] for at in otherwise)
        self._note(record, difference[~parted], error[~parted], allowed[~parted], noise.axis)

    def _note(
        self, record: Record, difference: NDArray[Any], error: NDArray[Any], allowed: NDArray[Any], axis: int | None
    ) -> None:
        record.difference = max(record.difference, float(difference.max(initial=0.0)))
        record.error = max(record.error, float(error.max(initial=0.0)))
        if not error.size:
            return
        closest = worst_of(error, allowed)
        if math.isinf(record.closest.allowed) or closest.share > record.closest.share:
            record.closest = closest
            record.column = closest.place[axis] if axis is not None else 0

    def _describe_fault(
        self,
        name: str,
        found: NDArray[Any],
        answer: Answer,
        apart: NDArray[Any],
        allowed: NDArray[Any],
        wrong: NDArray[np.bool_],
    ) -> None:
        rows = np.flatnonzero(wrong)
        worst = worst_of(apart[rows], allowed[rows])
        place = (int(rows[worst.place[0]]), *worst.place[1:])
        what = _show(answer.narrow[name], found, place)
        self._fault(name, answer, what, worst.difference, worst.allowed, share=worst.share)
        odd = not_finite_rows((*answer.trial.slots, answer.narrow[name], found))
        self.faults[-1].not_finite = bool(odd[rows].all())
        self.faults[-1].whole = found.dtype.kind in "iu"
        self.faults[-1].of_values = True
        self.faults[-1].constant = all_constant(answer.trial.slots, rows.tolist(), self.pool)

    def _fault(
        self,
        output: str,
        answer: Answer,
        what: str,
        difference: float,
        tolerance: float,
        *,
        share: float = math.inf,
    ) -> None:
        self.faults.append(Fault(output, answer.trial.label, answer.trial.size, what, difference, tolerance, share))

    def _line(self, said: str) -> str:
        """The user's line, where onnxruntime names the node that failed."""
        for node, line in self.lines.items():
            if f"'{node}'" in said or f"({node})" in said:
                return f" ({line})"
        return ""

    def _error(self) -> ParityError:
        fault = max(self.faults, key=lambda each: (each.output != "", each.share))
        name = f"output {fault.output!r}, " if fault.output else ""
        lines = [f"{name}batch of {fault.trial}: {fault.what}"]
        if fault.tolerance and math.isfinite(fault.difference):
            lines[0] += f"; allowed {fault.tolerance:.2g}"
        lines.append(self._pattern())
        guards = self.guards()
        if guards:
            lines.append(f"While tracing, torch took for granted: {'; '.join(guards[:5])}")
        lines.append("No file was written.")
        return ParityError(
            "the graph does not compute what the model computes. " + "\n".join(line for line in lines if line),
            output=fault.output or None,
            trial=fault.trial,
            difference=fault.difference,
            tolerance=fault.tolerance,
        )

    def _pattern(self) -> str:
        wrong = list(dict.fromkeys(fault.trial for fault in self.faults))
        right = [trial for trial in dict.fromkeys(self.trials) if trial not in wrong]
        if all(fault.constant for fault in self.faults):
            return CAUSE
        if all(fault.not_finite for fault in self.faults):
            return (
                "Only rows with NaN or infinities differ: ONNX operators such as MaxPool and ArgMax treat them "
                "otherwise than torch. Replace them in to_tensor, for instance with np.nan_to_num(x)"
            )
        if all(fault.whole and fault.difference <= 1 for fault in self.faults):
            return (
                "It may be rounding that decides, in floor(), round() or a tie of argmax(): return the number itself, "
                "and round it where it is used."
            )
        imprecise = self.imprecise() if all(fault.of_values for fault in self.faults) else ()
        if imprecise:
            return "\n".join(imprecise)
        if not right:
            return "Every batch differs: an operator was translated wrongly, or a value of the sample was frozen in."
        if {fault.size for fault in self.faults} == {1}:
            return "Only batches of one row differ: look for a branch on the batch size, or a squeeze() without axis."
        return (
            f"Wrong for {', '.join(wrong[:4])}; right for {', '.join(right[:4])}: look for code that depends on the "
            "batch size or takes a different way for some rows."
        )


def _unlike(wanted: NDArray[Any], found: NDArray[Any]) -> str:
    if found.shape != wanted.shape:
        return f"the graph gives shape {found.shape}, the model {wanted.shape}"
    if found.dtype != wanted.dtype:
        return f"the graph gives {found.dtype}, the model {wanted.dtype}"
    return ""


def _rows_beyond(apart: NDArray[Any], allowed: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray((apart > allowed).reshape(len(apart), -1).any(axis=1))


def _apart_from_wide(found: NDArray[Any], wide: NDArray[Any], narrow: NDArray[Any]) -> NDArray[np.float64]:
    """Differences from the float64 answer; where any of the three is not finite, those from the float32 answer."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(found.astype(np.float64) - wide.astype(np.float64))
    finite = np.isfinite(found) & np.isfinite(wide) & np.isfinite(narrow)
    return np.where(finite, apart, differences(narrow, found))


def _count_flips(record: Record, wanted: NDArray[Any], found: NDArray[Any]) -> None:
    if wanted.dtype.kind != "f" or wanted.ndim != 2 or wanted.shape[1] < 2:
        return
    decided = np.isfinite(wanted).all(axis=1)
    record.decisions += int(decided.sum())
    record.flips += int((wanted.argmax(axis=1) != found.argmax(axis=1))[decided].sum())


def _show(wanted: NDArray[Any], found: NDArray[Any], place: tuple[int, ...]) -> str:
    """One place of two answers, in words."""
    where = f"row {place[0]}" + (f" [{', '.join(map(str, place[1:]))}]" if place[1:] else "")
    return f"{where} is {found[place]!s} in the graph and {wanted[place]!s} in torch"
