"""One batch on its way through in pieces: what each piece gave, which rows failed, and all of it put back in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_runtime.contract_check import DataDict, Prepared, slice_rows
from hyrax_runtime.errors import HyraxError, ReplayError, RequirementError, RunError
from hyrax_runtime.feeding import Feed, Feeds
from hyrax_runtime.manifest import Output
from hyrax_runtime.outputs import Arrays, Outputs, empty_outputs, put_rows

Run = Callable[[Mapping[str, NDArray[Any]], int], Arrays]
# Copies feeds to a device now, and gives back what is left to do.
Stage = Callable[[Mapping[str, NDArray[Any]], int], Callable[[], Arrays]]


class Pieces:
    """A checked batch; rows are counted among those that were kept.

    With `mask`, a piece that fails is run again in halves until the rows that fail stand alone: a few bad rows in a
    batch of N cost a few times log2(N) runs. Where every row fails, `runs_at_all` tells whether the rows or the machine
    are at fault.
    """

    def __init__(
        self,
        prepared: Prepared,
        declared: Sequence[Output],
        feed: Feed,
        run: Run,
        *,
        stage: Stage | None,
        mask: bool,
        runs_at_all: Callable[[], bool],
    ) -> None:
        self._prepared = prepared
        self._runs_at_all = runs_at_all
        self._stage = stage
        self._declared = declared
        self._feed = feed
        self._run = run
        self._mask = mask
        self._kept: Sequence[int] = prepared.kept if prepared.refused else range(prepared.rows)
        self._errors: dict[int, HyraxError] = dict(prepared.refused)
        self._done: list[tuple[Sequence[int], Arrays]] = []

    def run(self, start: int, stop: int) -> None:
        """Run some rows."""
        self.fed(start, stop)()

    def fed(self, start: int, stop: int, *, own: bool = False) -> Callable[[], None]:
        """Make the tensors of some rows now; return what is left to do: running the graph on them.

        With `own`, what is left to do does not touch the caller's memory any more.
        """
        if start == stop:
            self._done.append((self._kept[start:stop], empty_outputs(self._declared)))
            return _nothing
        rows = self._rows(start, stop)
        try:
            feeds = self._feed(rows, stop - start)
        except ReplayError as error:
            self._halve(error, start, stop, self.run)
            return _nothing
        if own and self._stage is not None and not self._mask:  # to mask, the feeds may be needed again
            finish = self._stage(feeds, stop - start)
            return lambda: self._done.append((self._kept[start:stop], finish()))
        if own:
            feeds = owned(feeds, rows)
        return lambda: self._run_fed(feeds, start, start, stop)

    def outputs(self) -> Outputs:
        """Put the pieces together.

        Raises
        ------
        RunError
            onnxruntime failed on every row, and does on golden rows too: that is the machine, not the rows.
        BatchError
            Pieces of one batch gave rows of differing shape.
        """
        failed = [error for error in self._errors.values() if isinstance(error, RunError)]
        if failed and not self._done and not self._runs_at_all():
            raise failed[0]
        whole = put_rows(self._declared, self._prepared.rows, self._done)
        return Outputs(whole, self._prepared.object_id, dict(sorted(self._errors.items())))

    def _run_fed(self, feeds: Feeds, first: int, start: int, stop: int) -> None:
        """Run the graph on some of the rows in `feeds`, of which the first is row `first`."""
        some = {name: array[start - first : stop - first] for name, array in feeds.items()}
        try:
            self._done.append((self._kept[start:stop], self._run(some, stop - start)))
        except RunError as error:
            self._halve(error, start, stop, lambda begin, end: self._run_fed(feeds, first, begin, end))

    def _halve(self, error: HyraxError, start: int, stop: int, again: Callable[[int, int], None]) -> None:
        """Find the rows at fault, or give up where none may be masked."""
        if not self._mask or isinstance(error, RequirementError):
            raise error
        if stop - start == 1:
            self._errors[self._kept[start]] = _without_frames(error)
            return
        middle = (start + stop) // 2
        again(start, middle)
        again(middle, stop)

    def _rows(self, start: int, stop: int) -> DataDict:
        if start == 0 and stop == len(self._kept):
            return self._prepared.data_dict
        return slice_rows(self._prepared.data_dict, start, stop)


def owned(feeds: Feeds, data_dict: DataDict) -> Feeds:
    """Return the feeds with copies of those that are the caller's own memory.

    The graph runs while the caller goes on to the next batch, and a loop that fills one buffer again and again would
    change what is being computed.
    """
    return {name: array.copy() if _is_shared(array, data_dict) else array for name, array in feeds.items()}


def _is_shared(array: NDArray[Any], values: Any) -> bool:
    if isinstance(values, np.ndarray):
        return array is values or (array.base is not None and np.may_share_memory(array, values))
    if isinstance(values, dict):
        return any(_is_shared(array, each) for each in values.values())
    if isinstance(values, list) and values and isinstance(values[0], np.ndarray):
        return (
            any(array is row for row in values) if array.base is None else any(_is_shared(array, row) for row in values)
        )
    return False


def _without_frames(error: HyraxError) -> HyraxError:
    """The error as it is kept beside outputs: the frames of its traceback would keep the whole batch alive."""
    one: BaseException | None = error
    while one is not None:
        one.__traceback__ = None
        one = one.__cause__ or one.__context__
    return error


def _nothing() -> None:
    """Nothing is left to do."""
