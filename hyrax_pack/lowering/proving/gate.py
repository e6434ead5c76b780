"""The gate: a graph passes only if it gives what the function gives, wherever it was tried.

Batches of 1, 2, 3, 17 and 130 ordinary rows, larger ones where rows are small, free axes of every length, and rows
under stress (see stress.py), in onnxruntime and in a second runtime. Integers, truth values and floats that come of
exact steps alone bit for bit; else float32 within 2e-5 and float64 within 1e-9. Where the function raises, the graph
must raise.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from hyrax_runtime.errors import RunError, SessionError
from hyrax_runtime.manifest import Reason
from hyrax_runtime.session import open_session
from numpy.typing import NDArray

from hyrax_pack.lowering.proving.calling import Function, FunctionRaised, Tensors, call_original, raising_rows
from hyrax_pack.lowering.proving.comparing import differing_places, differing_rows, find_difference
from hyrax_pack.lowering.proving.limiting import Beat, TookTooLong, patience_s, within_limits
from hyrax_pack.lowering.proving.noise import Noise, ShakenFunction, largest_movement, measure_noise
from hyrax_pack.lowering.proving.quiet import quiet_stderr
from hyrax_pack.lowering.proving.reference import ReferenceRuntime
from hyrax_pack.lowering.proving.samples import Columns, Samples, has_free_axes, row_bytes, rows_within, take_rows
from hyrax_pack.lowering.proving.stress import LEAST_ROWS, stress_columns
from hyrax_pack.lowering.refusal import Refusal

BATCH_SIZES = (1, 2, 3, 17, 130)
_LARGER_SIZES = (4, 8, 64, 100, 129, 256, 512, 1000)
_UNUSUAL_LENGTHS = (3, 4, 5, 6, 7, 8)  # of free axes: `stretch` of samples.draw
_CASE_BYTES, _ALONE_BYTES, _REFERENCE_BYTES = 4 << 20, 4 << 20, 2 << 20
_REFERENCE_SIZES, _REFERENCE_EVERY = (1, 3), 16  # it is written in Python
_JOINT_CASES = 60
_EXPLAINED_ROWS, _TIMES_MOVED = 4, 16.0
_ALONE_FIRST, _ALONE_EVERY, _ALONE_LEAST, _ALONE_MOST = 24, 7, 6, 80
_REPLAYED = "it is replayed; docs/lowering.md says what differs between runtimes"
_COUNT = "keep what it counts or loops by within bounds: x % n, np.clip(x, low, high)"
_FILL = "fill what is not finite first: np.where(np.isfinite(x), x, 0)"
_BOUND = "add a floor that stands above it, or keep what goes in within bounds: np.clip(x, low, high)"
_FAILURES = (RunError, RuntimeError, ValueError, IndexError, TypeError, NotImplementedError)


class Runtime(Protocol):
    """What runs a model: feeds in, outputs by name out."""

    def run(self, feeds: Mapping[str, NDArray[Any]], /) -> dict[str, NDArray[Any]]:
        """Return every output by name."""


@dataclass(frozen=True)
class Promise:
    """What a model says: output `name` is slot `place` of the function, to a relative precision; exactly where 0."""

    name: str
    place: int
    relative: float


@dataclass(frozen=True)
class Case:
    """Rows to try, what to call them, and what the function gave for them."""

    words: str
    columns: Columns
    slots: Tensors

    @property
    def size(self) -> int:
        """How many rows there are."""
        return _size(self.columns)


class _Failed(Exception):  # noqa: N818 - a verdict
    """The graph differs from the function, or the function is not what it was recorded as; says where."""

    def __init__(self, words: str, *, hint: str = _REPLAYED, is_unsound: bool = False) -> None:
        super().__init__(words)
        self.hint = None if is_unsound else hint
        self.is_unsound = is_unsound


def check_graph(
    model: bytes,
    function: Function,
    shaken: ShakenFunction,
    promises: Sequence[Promise],
    samples: Samples,
    inputs: Sequence[str],
    *,
    seed: int = 0,
) -> Refusal | None:
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
        return Refusal(Reason(f"onnxruntime does not take the graph: {_first_line(error)}"))
    second = ReferenceRuntime(model)
    try:
        for case in gate.ordinary_cases():
            gate.compare(session, case, "onnxruntime")
            if case.size in _REFERENCE_SIZES:
                gate.compare(second, case, "onnx's reference evaluator")
        for number, case in enumerate(gate.stress_cases_in_time()):
            gate.compare(session, case, "onnxruntime")
            if number % _REFERENCE_EVERY == 0:
                gate.compare(second, gate.shortened(case), "onnx's reference evaluator")
        gate.check_unusual_lengths(session)
        gate.check_raising(session, second)
    except _Failed as failed:
        return Refusal(Reason(str(failed), hint=failed.hint), failed.is_unsound)
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
        self._slowest_s = 0.0  # a row
        self._beat: Beat = lambda limit_s: None

    def ordinary_cases(self) -> Iterator[Case]:
        """Yield batches of real and shuffled rows, the small ones twice: what differs then is no function."""
        most = _CASE_BYTES // row_bytes(self._samples)
        sizes = [size for size in BATCH_SIZES if size <= max(most, 3)]
        for at, size in enumerate([*sizes, *(size for size in _LARGER_SIZES if size <= most)]):
            columns = self._samples.draw(size, self._random, stretch=at % 3)
            words = f"{size} ordinary row{'s' if size > 1 else ''}"
            try:
                case = self._case(words, columns)
                again = self._case(words, columns) if at < len(sizes) else case
            except FunctionRaised as error:
                raise _Failed(f"it raises for {words}: {error}") from error
            if not all(map(_same_bits, case.slots, again.slots)):
                raise _Failed(
                    "two calls with the same rows differ: hidden state, a clock or random numbers", is_unsound=True
                )
            yield case

    def stress_cases_in_time(self) -> list[Case]:
        """Return the stress rows, if the function comes to an end for each."""
        try:
            cases, self._raising = within_limits(lambda beat: (self.stress_cases(beat), self._raising))
        except TookTooLong as error:
            text = "the function does not come to an end for some values, or asks for more memory than there is"
            raise _Failed(text, hint=_COUNT) from error
        return cases

    def stress_cases(self, beat: Beat) -> list[Case]:
        """Return the stress rows: in one batch, and some alone; each among ordinary rows where rows belong together."""
        self._beat = beat
        columns = stress_columns(self._samples, self._inputs, self._random)
        size = _size(columns)
        if self._samples.contract.batch == "joint":
            chosen = [*range(min(_ALONE_FIRST, size)), *range(_ALONE_FIRST, size, max(1, size // _JOINT_CASES))]
            return [case for row in chosen for case in self._in_company(columns, row)]
        try:
            together = self._case("rows under stress", columns)
        except FunctionRaised:
            raises = raising_rows(self._function, self._samples, columns)
            self._raising = take_rows(columns, raises)
            columns = take_rows(columns, ~raises)
            if raises.all():
                return []
            try:
                together = self._case("rows under stress", columns)
            except FunctionRaised as error:
                raise _Failed(f"it raises for rows that pass one by one: {error}", is_unsound=True) from error
        size = _size(columns)
        chosen = [*range(min(_ALONE_FIRST, size)), *range(_ALONE_FIRST, size, _ALONE_EVERY)]
        chosen = chosen[: rows_within(self._samples, _ALONE_BYTES, _ALONE_LEAST, _ALONE_MOST)]
        return [together, *(self._alone(together, row) for row in chosen)]

    def check_unusual_lengths(self, runtime: Runtime) -> None:
        """Try free axes of other lengths; where the function raises, the graph must raise."""
        if not has_free_axes(self._samples):
            return
        for stretch in _UNUSUAL_LENGTHS:
            columns = self._samples.draw(3, self._random, stretch=stretch)
            length = max(dim for column in columns.values() for dim in column.shape[1:])
            try:
                case = self._case(f"3 rows of another length ({length})", columns)
            except FunctionRaised:
                self._require_failure(runtime, columns)
            else:
                self.compare(runtime, case, "onnxruntime")

    def shortened(self, case: Case) -> Case:
        """Return as much of a case as a runtime written in Python takes quickly: the rows that say most come first."""
        rows = rows_within(self._samples, _REFERENCE_BYTES, LEAST_ROWS, case.size)
        if case.size <= rows or self._samples.contract.batch == "joint":
            return case
        slots = tuple(slot if slot is None or not len(slot) else slot[:rows] for slot in case.slots)
        return Case(case.words, take_rows(case.columns, slice(0, rows)), slots)

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
            noise = None
            if difference and wanted.dtype.kind == "f" and promise.relative:
                noise = self._noise(case, promise, got[promise.name])
                difference = find_difference(wanted, got[promise.name], promise.relative, noise)
            if difference:
                text = f"for {case.words} {words} gives {difference} in slot {promise.place}"
                raise self._failed(text, case, promise, got[promise.name], noise)

    def _failed(
        self, text: str, case: Case, promise: Promise, got: NDArray[Any], noise: NDArray[np.float64] | None
    ) -> _Failed:
        """Say of a difference what is known of its kind, and what helps against it."""
        wanted = case.slots[promise.place]
        if wanted is None or wanted.shape != got.shape or wanted.dtype.kind != "f" or not promise.relative:
            return _Failed(text)
        apart = differing_places(wanted, got, promise.relative, noise)
        rows = np.flatnonzero(apart.reshape(len(apart), -1).any(axis=1))[:_EXPLAINED_ROWS]
        columns, places = take_rows(case.columns, rows), apart[rows]
        is_infinite = not (np.isfinite(wanted[rows]) & np.isfinite(got[rows]))[places].all()
        if is_infinite and any(not np.isfinite(one).all() for one in columns.values() if one.dtype.kind == "f"):
            return _Failed(text, hint=_FILL)
        plain = tuple(slot if slot is None or not len(slot) else slot[rows] for slot in case.slots)
        moved = largest_movement(self._shaken, self._samples, columns, plain)[promise.place]
        with np.errstate(all="ignore"):
            distance = np.abs(wanted[rows].astype(np.float64) - got[rows])
            if moved is None or not (moved * _TIMES_MOVED >= distance)[places].all():
                return _Failed(text)
        return _Failed(f"{text}, which is nothing but rounding made large there", hint=_BOUND)

    def check_raising(self, *runtimes: Runtime) -> None:
        """Require that the graph fails for every row for which the function raises."""
        if self._raising is None:
            return
        for row in range(_size(self._raising)):
            one = take_rows(self._raising, slice(row, row + 1))
            for runtime in runtimes:
                self._require_failure(runtime, one)

    def _require_failure(self, runtime: Runtime, columns: Columns) -> None:
        try:
            with quiet_stderr():
                runtime.run({path: columns[path] for path in self._inputs})
        except _FAILURES:
            return
        raise _Failed("it raises for some values, and the graph does not")

    def _case(self, words: str, columns: Columns) -> Case:
        size = _size(columns)
        self._beat(patience_s(self._slowest_s, size))
        began = time.monotonic()
        slots = call_original(self._function, self._samples, columns)
        self._slowest_s = max(self._slowest_s, (time.monotonic() - began) / size)
        return Case(words, columns, slots)

    def _alone(self, together: Case, row: int) -> Case:
        try:
            return self._case("a row under stress, alone", take_rows(together.columns, slice(row, row + 1)))
        except FunctionRaised as error:
            raise _Failed(f"it raises for a row alone that passes among others: {error}") from error

    def _noise(self, case: Case, promise: Promise, got: NDArray[Any]) -> NDArray[np.float64] | None:
        """Measure how far rounding moves a slot, in the rows that differ: it costs more than all else."""
        wanted = case.slots[promise.place]
        if wanted is None or wanted.shape != got.shape:
            return None
        rows = np.arange(len(wanted))
        if self._samples.contract.batch == "independent":
            rows = rows[differing_rows(wanted, got, promise.relative)]
        plain = tuple(slot if slot is None or not len(slot) else slot[rows] for slot in case.slots)

        def explains(noise: Noise) -> bool:
            return find_difference(wanted[rows], got[rows], promise.relative, noise[promise.place]) is None

        columns = take_rows(case.columns, rows)
        found = measure_noise(self._shaken, self._samples, columns, plain, explains)[promise.place]
        noise = np.zeros(wanted.shape)
        noise[rows] = 0.0 if found is None else found
        return noise

    def _in_company(self, columns: Columns, row: int) -> Iterator[Case]:
        """Yield a batch of three with one stress row, and one in which every row is that row."""
        batch = self._samples.draw(3, self._random)
        for path, column in columns.items():
            batch[path][1] = column[row]
        same = take_rows(columns, [row] * 3)
        for words, chosen in (("a row under stress among ordinary rows", batch), ("the same row three times", same)):
            try:
                yield self._case(words, chosen)
            except FunctionRaised as error:
                raise _Failed(f"it raises for some values, which a graph cannot: {error}") from error


def _size(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _same_bits(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300]
