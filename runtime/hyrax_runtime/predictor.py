"""Predict from a bundle: check the batch, make its tensors, run the graph, keep every row in its place."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from hyrax_runtime.bundle import Bundle
from hyrax_runtime.contract import InputContract
from hyrax_runtime.contract_check import DataDict, InputCheck, Prepared
from hyrax_runtime.errors import (
    BatchError,
    RunError,
    UsageError,
)
from hyrax_runtime.forking import put_right_after_fork
from hyrax_runtime.frozen import replace
from hyrax_runtime.manifest import Manifest
from hyrax_runtime.outputs import Arrays, Outputs, empty_outputs
from hyrax_runtime.pieces import Pieces
from hyrax_runtime.routes import Route, open_route
from hyrax_runtime.settings import Settings, is_count
from hyrax_runtime.trust import Trust

if TYPE_CHECKING:
    from pathlib import Path

    from hyrax_runtime.proving import Proving
    from hyrax_runtime.selftest import Report
    from hyrax_runtime.streaming import Step
    from hyrax_runtime.watching import Watch

OnError = Literal["raise", "mask"]


class Predictor:
    """A bundle, ready to predict. Threads may share it; it pickles as its path, its settings and the bundle's id.

    Attributes
    ----------
    id : str
        `sha256:<bundle id>`.
    manifest : Manifest
    contract : InputContract
    settings : Settings
    provider : str
        onnxruntime's name for the execution provider that runs.
    lowered : bool
        Whether `to_tensor` runs as a graph; else its text is replayed.
    """

    def __init__(self, bundle: Bundle, settings: Settings, trust: Trust) -> None:
        # not abspath: `..` after a link is another folder than without either
        self.where: str = bundle.where if os.path.isabs(bundle.where) else os.path.join(os.getcwd(), bundle.where)
        self.id: str = bundle.id
        self.manifest: Manifest = bundle.manifest
        self.contract: InputContract = bundle.contract
        self.settings = settings
        self._bundle = bundle
        if settings.tuning.graph_batches and self.contract.batch == "joint":
            raise BatchError("graph_batches fill a batch with rows, and this bundle's rows belong together")
        route = open_route(bundle, settings, trust)
        self._route = route
        self._feed = route.feed
        self._session = route.session
        self._check = InputCheck(route.contract)
        self.provider: str = route.session.provider
        self.lowered = route.lowered
        self._watches: tuple[Watch, ...] = ()
        self._changing_watches = threading.Lock()
        put_right_after_fork(self)

    @property
    def path(self) -> Path:
        """Where the bundle was opened, as an absolute path."""
        from pathlib import Path

        return Path(self.where)

    def after_fork_in_child(self) -> None:
        """Begin with a lock that nobody holds."""
        self._changing_watches = threading.Lock()

    def predict(
        self, data_dict: Mapping[str, Any], *, on_error: OnError = "raise", max_batch: int | None = None
    ) -> Outputs:
        """Predict one batch.

        Parameters
        ----------
        data_dict : mapping
            `{friendly: {field: values}, "object_id": ids}`: each field a list of rows or an array (N, ...). N may be 0.
        on_error : str
            `raise`, or `mask`: a row that is refused, or on which `to_tensor` or the graph fails, gives NaN (0 where
            the dtype has none) in its place and an entry in `outputs.errors`; the other rows are right.
        max_batch : int, optional
            Run in pieces of at most so many rows.

        Returns
        -------
        Outputs
            Output name to array, first axis the caller's rows.

        Raises
        ------
        FieldsError
            The batch breaks the contract; lists every problem.
        ReplayError
            `to_tensor` raised, or returned something other than what the bundle records.
        RunError
            onnxruntime failed.
        BatchError
            Pieces or masking were asked of a bundle whose rows belong together.
        """
        if on_error == "raise" and max_batch is None:
            prepared = self._check.prepare(data_dict)
            if self._watches:
                self._observe(prepared)
            return Outputs(self._run(prepared.data_dict, prepared.rows), prepared.object_id)
        self._require_splittable(on_error, max_batch)
        prepared = self._check.prepare(data_dict, mask=on_error == "mask")
        if self._watches:
            self._observe(prepared)
        pieces = self._pieces(prepared, on_error)
        for start, stop in self._cuts(prepared, max_batch):
            pieces.run(start, stop)
        return pieces.outputs()

    def predict_one(self, record: Mapping[str, Any]) -> Outputs:
        """Predict one record: fields and outputs without the batch axis; its `object_id` is one id.

        Raises
        ------
        FieldsError, ReplayError, RunError
            As `predict`.
        """
        if not isinstance(record, Mapping):
            raise UsageError(f"predict_one takes a dict of one record's fields, not a {type(record).__name__}")
        batch = {
            key: {name: [row] for name, row in value.items()} if isinstance(value, Mapping) else [value]
            for key, value in record.items()
        }
        outputs = self.predict(batch)
        ids = outputs.object_id
        return Outputs({name: array[0, ...] for name, array in outputs.items()}, None if ids is None else ids[0])

    def stream(
        self, batches: Iterable[Mapping[str, Any]], *, on_error: OnError = "raise", max_batch: int | None = None
    ) -> Iterator[Outputs]:
        """Predict batches one after another, `to_tensor` of the next overlapping the graph's run of the last.

        Order is kept, at most three batches are held, and `batches` is read as results are taken. An error carries the
        number of its batch, counted from 0, and comes after every earlier batch's outputs.
        """
        from hyrax_runtime.streaming import run_overlapped

        self._require_splittable(on_error, max_batch)
        return run_overlapped(batches, lambda batch, number: self._steps(batch, number, on_error, max_batch))

    def selftest(self) -> Report:
        """Replay the golden rows on this machine, stage by stage; see `Report.passed` and `Report.drift`."""
        return self._proving.report()

    def watch(self) -> Watch:
        """Begin to compare what comes in with the ranges and NaN shares that training saw; it refuses nothing."""
        from hyrax_runtime.watching import Watch

        watch = Watch(self._check.contract, self._unwatch)
        with self._changing_watches:
            self._watches = (*self._watches, watch)
        return watch

    @property
    def route(self) -> Route:
        """The steps of a prediction, for what measures them one by one."""
        return self._route

    def close(self) -> None:
        """Close the file. The predictor goes on predicting; only `selftest` needs the file."""
        self._bundle.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Predictor({self.where!r}, {self.id}, {self.provider})"

    def __reduce__(self) -> tuple[Any, ...]:
        # the same form there as here; where Python does not run, nobody may have allowed it
        settings = replace(self.settings, python="never") if self.lowered else self.settings
        from hyrax_runtime.loading import load_again

        return load_again, (self.where, self.id, settings)

    @property
    def _proving(self) -> Proving:
        from hyrax_runtime.proving import Proving

        return Proving(self._bundle, self.settings, self._route, self._check, self._run)

    def _run(self, data_dict: DataDict, rows: int) -> Arrays:
        if rows == 0:
            return empty_outputs(self.manifest.outputs)
        return self._session_run(self._feed(data_dict, rows), rows)

    def _session_run(self, feeds: Mapping[str, NDArray[Any]], rows: int) -> Arrays:
        return self._with_rows(self._session.run(feeds), rows)

    def _session_stage(self, feeds: Mapping[str, NDArray[Any]], rows: int) -> Callable[[], Arrays]:
        finish = self._session.stage(feeds)
        return lambda: self._with_rows(finish(), rows)

    def _with_rows(self, outputs: Arrays, rows: int) -> Arrays:
        for name, array in outputs.items():
            if array.shape[:1] != (rows,):
                raise RunError(f"output {name} has shape {array.shape} for {rows} rows: the batch axis is lost")
        return outputs

    def _steps(
        self, batch: Mapping[str, Any], number: int, on_error: OnError, max_batch: int | None
    ) -> Iterator[Step[Outputs]]:
        from hyrax_runtime.streaming import Step

        prepared = self._check.prepare(batch, mask=on_error == "mask")
        if self._watches:
            self._observe(prepared)
        pieces = self._pieces(prepared, on_error)
        cuts = self._cuts(prepared, max_batch)
        for start, stop in cuts:
            yield Step(number, pieces.fed(start, stop, own=True), pieces.outputs if stop == cuts[-1][1] else None)

    def _pieces(self, prepared: Prepared, on_error: str) -> Pieces:
        return Pieces(
            prepared,
            self.manifest.outputs,
            self._feed,
            self._session_run,
            stage=self._session_stage if self._session.stages else None,
            mask=on_error == "mask",
            runs_at_all=lambda: self._proving.runs_at_all(),
        )

    def _cuts(self, prepared: Prepared, max_batch: int | None) -> list[tuple[int, int]]:
        """Where to cut the rows that were kept: (start, stop) of each piece, at least one piece."""
        rows = prepared.rows - len(prepared.refused)
        if max_batch is None or rows <= max_batch:
            return [(0, rows)]
        if self.contract.batch == "joint":
            raise BatchError(f"{rows} rows exceed max_batch={max_batch}, and this bundle's batches are never split")
        return [(start, min(start + max_batch, rows)) for start in range(0, rows, max_batch)]

    def _require_splittable(self, on_error: str, max_batch: int | None) -> None:
        if on_error not in ("raise", "mask"):
            raise UsageError(f"on_error={on_error!r} is not one of raise, mask")
        if on_error == "mask" and self.contract.batch == "joint":
            raise BatchError(
                "on_error='mask' leaves rows out, and this bundle's rows belong together: its batch is joint"
            )
        if max_batch is not None and not is_count(max_batch):
            raise UsageError(f"max_batch={max_batch!r}: a whole number of at least 1, or None")

    def _observe(self, prepared: Prepared) -> None:
        for watch in self._watches:
            watch.add(prepared.data_dict, prepared.rows - len(prepared.refused))

    def _unwatch(self, watch: Watch) -> None:
        with self._changing_watches:
            self._watches = tuple(other for other in self._watches if other is not watch)
