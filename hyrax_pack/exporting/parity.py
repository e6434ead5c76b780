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
from hyrax_runtime.difference import greatest_difference
from hyrax_runtime.session import Session
from numpy.typing import NDArray

from hyrax_pack.errors import HyraxError, ParityError
from hyrax_pack.exporting.answering import Outputs
from hyrax_pack.exporting.noise import Answer, NoiseReport
from hyrax_pack.exporting.slots import Layout, not_finite_rows


@dataclass
class Record:
    """What the gate saw of one output, over all trials.

    `error` is the greatest difference from the float64 model, `difference` that from the float32 model. `decisions`
    counts rows whose greatest entry was looked for, `flips` those where graph and model chose another one.
    """

    error: float = 0.0
    difference: float = 0.0
    decisions: int = 0
    flips: int = 0
    unstable: int = 0


@dataclass
class Fault:
    """One disagreement: on which output and trial, and in words what was found."""

    output: str
    trial: str
    size: int
    what: str
    difference: float
    tolerance: float
    not_finite: bool = False


@dataclass
class Gate:
    """Collects faults over all trials, so that the message can say which batches are right and which wrong."""

    layout: Layout
    noise: NoiseReport
    lines: dict[str, str] = field(default_factory=dict)
    guards: Callable[[], Sequence[str]] = tuple  # asked for only where there is a fault to explain
    records: dict[str, Record] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    trials: list[str] = field(default_factory=list)

    def check(self, session: Session, answers: Sequence[Answer]) -> dict[str, Record]:
        """Run every trial through the graph and compare.

        Raises
        ------
        ParityError
            Graph and model disagree anywhere.
        """
        self._check_interface(session, answers[0].narrow)
        self.records = {name: Record() for name in answers[0].narrow}
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
        wanted = answer.narrow[name]
        tolerance = self.noise.outputs[name].tolerance
        if found.shape != wanted.shape:
            what = f"the graph gives shape {found.shape}, the model {wanted.shape}"
            self._fault(name, answer, what, math.inf, tolerance)
            return
        if found.dtype != wanted.dtype:
            what = f"the graph gives {found.dtype}, the model {wanted.dtype}"
            self._fault(name, answer, what, math.inf, tolerance)
            return
        record = self.records[name]
        difference = greatest_difference(wanted, found)
        error = difference
        if answer.wide is not None and wanted.dtype.kind == "f":
            error = float(_apart_from_wide(found, answer.wide[name], wanted).max(initial=0.0))
        _count_flips(record, wanted, found)
        if max(difference, error) > tolerance:
            wrong = self._wrong_rows(name, found, answer, tolerance)
            if self.noise.outputs[name].unstable >= len(wrong) > 0 == self._wrong_both(name, found, answer, tolerance):
                record.unstable += len(wrong)
                return
            self._fault(name, answer, _show(wanted, found, wrong[0]), max(difference, error), tolerance)
            odd = not_finite_rows((*answer.trial.slots, wanted, found))
            self.faults[-1].not_finite = bool(odd[wrong].all())
        record.difference = max(record.difference, difference)
        record.error = max(record.error, error)

    def _wrong_rows(self, name: str, found: NDArray[Any], answer: Answer, tolerance: float) -> list[int]:
        """Rows that differ from the float32 model or from the float64 model."""
        return [row for row in range(len(found)) if max(self._row_apart(name, found, answer, row)) > tolerance]

    def _wrong_both(self, name: str, found: NDArray[Any], answer: Answer, tolerance: float) -> int:
        """How many rows agree with neither."""
        return sum(min(self._row_apart(name, found, answer, row)) > tolerance for row in range(len(found)))

    def _row_apart(self, name: str, found: NDArray[Any], answer: Answer, row: int) -> tuple[float, float]:
        narrow = answer.narrow[name][row]
        difference = greatest_difference(narrow, found[row])
        if answer.wide is None or narrow.dtype.kind != "f":
            return difference, difference
        wide = answer.wide[name][row]
        return difference, float(_apart_from_wide(found[row], wide, narrow).max(initial=0.0))

    def _fault(self, output: str, answer: Answer, what: str, difference: float, tolerance: float) -> None:
        self.faults.append(Fault(output, answer.trial.label, answer.trial.size, what, difference, tolerance))

    def _line(self, said: str) -> str:
        """The user's line, where onnxruntime names the node that failed."""
        for node, line in self.lines.items():
            if f"'{node}'" in said or f"({node})" in said:
                return f" ({line})"
        return ""

    def _error(self) -> ParityError:
        fault = max(self.faults, key=lambda each: (each.output != "", each.difference))
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
        if all(fault.not_finite for fault in self.faults):
            return (
                "Only rows with NaN or infinities differ: ONNX operators such as MaxPool and ArgMax treat them "
                "otherwise than torch. Replace them in to_tensor, for instance with np.nan_to_num(x)"
            )
        if not right:
            return "Every batch differs: an operator was translated wrongly, or a value of the sample was frozen in."
        if {fault.size for fault in self.faults} == {1}:
            return "Only batches of one row differ: look for a branch on the batch size, or a squeeze() without axis."
        return (
            f"Wrong for {', '.join(wrong[:4])}; right for {', '.join(right[:4])}: look for code that depends on the "
            "batch size or takes a different way for some rows."
        )


def _apart_from_wide(found: NDArray[Any], wide: NDArray[Any], narrow: NDArray[Any]) -> NDArray[np.float64]:
    """Differences from the float64 answer where all three are finite; elsewhere the float32 answer decides."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(found.astype(np.float64) - wide.astype(np.float64))
    finite = np.isfinite(found) & np.isfinite(wide) & np.isfinite(narrow)
    return np.asarray(np.where(finite, apart, 0.0))


def _count_flips(record: Record, wanted: NDArray[Any], found: NDArray[Any]) -> None:
    if wanted.dtype.kind != "f" or wanted.ndim != 2 or wanted.shape[1] < 2:
        return
    decided = np.isfinite(wanted).all(axis=1)
    record.decisions += int(decided.sum())
    record.flips += int((wanted.argmax(axis=1) != found.argmax(axis=1))[decided].sum())


def _show(wanted: NDArray[Any], found: NDArray[Any], row: int) -> str:
    """The worst place of one row, in words."""
    want, got = np.atleast_1d(wanted[row]), np.atleast_1d(found[row])
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(want == got, 0.0, np.abs(want.astype(np.float64) - got.astype(np.float64)))
    apart = np.where(np.isnan(want.astype(np.float64)) & np.isnan(got.astype(np.float64)), 0.0, apart)
    at = np.unravel_index(int(np.nan_to_num(apart, nan=np.inf).argmax()), apart.shape)
    place = f"row {row}" + (f" [{', '.join(map(str, at))}]" if wanted.ndim > 1 else "")
    return f"{place} is {got[at]!s} in the graph and {want[at]!s} in torch"
