"""The gate: a graph passes only if it gives what the function gives, wherever it was tried.

Batches of 1, 2, 3, 17 and 130 ordinary rows, and rows under stress (see stress.py), in onnxruntime and in a second
runtime. Integers and truth values exactly, float32 within 2e-5, float64 within 1e-9. Where the function raises, the
graph must raise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from hyrax_runtime.errors import RunError, SessionError
from hyrax_runtime.manifest import Reason
from hyrax_runtime.session import open_session
from numpy.typing import NDArray

from hyrax_pack.lowering.proving.calling import Function, FunctionRaised, Tensors, call_original, raising_rows
from hyrax_pack.lowering.proving.comparing import differing_rows, find_difference
from hyrax_pack.lowering.proving.noise import ShakenFunction, measure_noise
from hyrax_pack.lowering.proving.quiet import quiet_stderr
from hyrax_pack.lowering.proving.reference import ReferenceRuntime
from hyrax_pack.lowering.proving.samples import Columns, Samples, take_rows
from hyrax_pack.lowering.proving.stress import stress_columns

BATCH_SIZES = (1, 2, 3, 17, 130)
_REFERENCE_SIZES = (1, 3)
_JOINT_CASES = 60
_ALONE_EVERY = 7
_FAILURES = (RunError, RuntimeError, ValueError, IndexError, TypeError, NotImplementedError)


class Runtime(Protocol):
    """What runs a model: feeds in, outputs by name out."""

    def run(self, feeds: Mapping[str, NDArray[Any]], /) -> dict[str, NDArray[Any]]:
        """Return every output by name."""


@dataclass(frozen=True)
class Promise:
    """What a model says: output `name` is slot `place` of the function, computed to a relative precision."""

    name: str
    place: int
    relative: float


@dataclass(frozen=True)
class Case:
    """Rows to try, what to call them, and what the function gave for them."""

    words: str
    columns: Columns
    slots: Tensors


class _Failed(Exception):  # noqa: N818 - a verdict
    """The graph differs from the function; says where."""


def check_graph(
    model: bytes,
    function: Function,
    shaken: ShakenFunction,
    promises: Sequence[Promise],
    samples: Samples,
    inputs: Sequence[str],
    *,
    seed: int = 0,
) -> Reason | None:
    """Try a model against the function; return why it is refused, or None.

    Parameters
    ----------
    shaken : callable
        The function with its arithmetic shaken (see noise.py).
    inputs : sequence of str
        The fields that the model takes.
    """
    gate = _Gate(function, shaken, promises, samples, list(inputs), np.random.default_rng(seed))
    try:
        session = open_session(model, None, device="cpu")
    except SessionError as error:
        return Reason(f"onnxruntime does not take the graph: {_first_line(error)}")
    second = ReferenceRuntime(model)
    try:
        ordinary = gate.ordinary_cases()
        for case in ordinary:
            gate.compare(session, case, "onnxruntime")
            if len(next(iter(case.columns.values()))) in _REFERENCE_SIZES:
                gate.compare(second, case, "onnx's reference evaluator")
        for case in gate.stress_cases():
            gate.compare(session, case, "onnxruntime")
            gate.compare(second, case, "onnx's reference evaluator")
        gate.check_raising(session, second)
    except _Failed as failed:
        return Reason(str(failed), hint="it is replayed; docs/lowering.md says what differs between runtimes")
    return None


class _Gate:
    def __init__(
        self,
        function: Function,
        shaken: ShakenFunction,
        promises: Sequence[Promise],
        samples: Samples,
        inputs: list[str],
        random: np.random.Generator,
    ) -> None:
        self._function = function
        self._shaken = shaken
        self._promises = promises
        self._samples = samples
        self._inputs = inputs
        self._random = random
        self._raising: Columns | None = None

    def ordinary_cases(self) -> list[Case]:
        """Return batches of real and shuffled rows, the largest last."""
        cases = []
        for at, size in enumerate(BATCH_SIZES):
            columns = self._samples.draw(size, self._random, stretch=at)
            words = f"{size} ordinary row{'s' if size > 1 else ''}"
            try:
                cases.append(self._case(words, columns))
                again = self._case(words, columns)
            except FunctionRaised as error:
                raise _Failed(f"it raises for {words}: {error}") from error
            if not all(map(_same_bits, cases[-1].slots, again.slots)):
                raise _Failed("two calls with the same rows differ: hidden state, a clock or random numbers")
        return cases

    def stress_cases(self) -> list[Case]:
        """Return the stress rows: in one batch, and some alone; each among ordinary rows where rows belong together."""
        columns = stress_columns(self._samples, self._inputs, self._random)
        size = len(next(iter(columns.values())))
        if self._samples.contract.batch == "joint":
            return [case for row in range(0, size, max(1, size // _JOINT_CASES)) if (case := self._among(columns, row))]
        try:
            cases = [self._case("rows under stress", columns)]
        except FunctionRaised:
            raises = raising_rows(self._function, self._samples, columns)
            self._raising = take_rows(columns, raises)
            columns = take_rows(columns, ~raises)
            if raises.all():
                return []
            try:
                cases = [self._case("rows under stress", columns)]
            except FunctionRaised as error:
                raise _Failed(f"it raises for rows that pass one by one: {error}") from error
        size = len(next(iter(columns.values())))
        alone = [take_rows(columns, slice(row, row + 1)) for row in range(0, size, _ALONE_EVERY)]
        return cases + [self._case("a row under stress, alone", one) for one in alone]

    def compare(self, runtime: Runtime, case: Case, words: str) -> None:
        """Run a case and compare every output."""
        try:
            got = runtime.run({path: case.columns[path] for path in self._inputs})
        except _FAILURES as error:
            raise _Failed(f"{words} fails for {case.words}: {_first_line(error)}") from error
        for promise in self._promises:
            wanted = case.slots[promise.place]
            if wanted is None:
                raise _Failed(f"slot {promise.place} is None for {case.words}")
            difference = find_difference(wanted, got[promise.name], promise.relative)
            if difference and wanted.dtype.kind == "f":
                noise = self._noise(case, promise, got[promise.name])
                difference = find_difference(wanted, got[promise.name], promise.relative, noise)
            if difference:
                raise _Failed(f"for {case.words} {words} gives {difference} in slot {promise.place}")

    def check_raising(self, *runtimes: Runtime) -> None:
        """Require that the graph fails for every row for which the function raises."""
        if self._raising is None:
            return
        for row in range(len(next(iter(self._raising.values())))):
            one = take_rows(self._raising, slice(row, row + 1))
            for runtime in runtimes:
                try:
                    with quiet_stderr():
                        runtime.run({path: one[path] for path in self._inputs})
                except _FAILURES:
                    continue
                raise _Failed("it raises for some values, and the graph does not")

    def _case(self, words: str, columns: Columns) -> Case:
        return Case(words, columns, call_original(self._function, self._samples, columns))

    def _noise(self, case: Case, promise: Promise, got: NDArray[Any]) -> NDArray[np.float64] | None:
        """Measure how far rounding moves a slot, in the rows that differ: it costs more than all else."""
        wanted = case.slots[promise.place]
        if wanted is None or wanted.shape != got.shape:
            return None
        rows = np.arange(len(wanted))
        if self._samples.contract.batch == "independent":
            rows = rows[differing_rows(wanted, got, promise.relative)]
        plain = tuple(slot if slot is None or not len(slot) else slot[rows] for slot in case.slots)
        found = measure_noise(self._shaken, self._samples, take_rows(case.columns, rows), plain)[promise.place]
        noise = np.zeros(wanted.shape)
        noise[rows] = 0.0 if found is None else found
        return noise

    def _among(self, columns: Columns, row: int) -> Case | None:
        """Return a batch of three with one stress row; None where the function raises for it."""
        batch = self._samples.draw(3, self._random)
        for path, column in columns.items():
            batch[path][1] = column[row]
        try:
            return self._case("a row under stress among ordinary rows", batch)
        except FunctionRaised as error:
            raise _Failed(f"it raises for some values, which a graph cannot: {error}") from error


def _same_bits(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300]
