"""One batch on its way through in pieces: what each piece gave, which rows failed, and all of it put back in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from hyrax_runtime.contract_check import DataDict, Prepared, slice_rows
from hyrax_runtime.errors import HyraxError, ReplayError, RequirementError, RunError
from hyrax_runtime.feeding import Feed
from hyrax_runtime.manifest import Output
from hyrax_runtime.outputs import Arrays, Outputs, empty_outputs, put_rows

Run = Callable[[Mapping[str, NDArray[Any]], int], Arrays]


class Pieces:
    """A checked batch; rows are counted among those that were kept.

    With `mask`, a piece that fails is run again in halves until the rows that fail stand alone: a few bad rows in a
    batch of N cost a few times log2(N) runs.
    """

    def __init__(self, prepared: Prepared, declared: Sequence[Output], feed: Feed, run: Run, *, mask: bool) -> None:
        self._prepared = prepared
        self._declared = declared
        self._feed = feed
        self._run = run
        self._mask = mask
        self._kept: Sequence[int] = prepared.kept if prepared.refused else range(prepared.rows)
        self._errors: dict[int, HyraxError] = dict(prepared.refused)
        self._done: list[tuple[Sequence[int], Arrays]] = []

    def fed(self, start: int, stop: int) -> Callable[[], None]:
        """Make the tensors of some rows now; return what is left to do: running the graph on them."""
        if start == stop:
            return lambda: self.run(start, stop)
        try:
            feeds = self._feed(self._rows(start, stop), stop - start)
        except ReplayError as error:
            failed = error
            return lambda: self._fail(failed, start, stop)

        def run() -> None:
            try:
                self._done.append((self._kept[start:stop], self._run(feeds, stop - start)))
            except RunError as error:
                self._fail(error, start, stop)

        return run

    def run(self, start: int, stop: int) -> None:
        """Run some rows."""
        if start == stop:
            self._done.append((self._kept[start:stop], empty_outputs(self._declared)))
            return
        try:
            feeds = self._feed(self._rows(start, stop), stop - start)
            self._done.append((self._kept[start:stop], self._run(feeds, stop - start)))
        except (ReplayError, RunError) as error:
            self._fail(error, start, stop)

    def outputs(self) -> Outputs:
        """Put the pieces together.

        Raises
        ------
        RunError
            onnxruntime failed on every row of several: that is the machine, not the rows.
        BatchError
            Pieces of one batch gave rows of differing shape.
        """
        failed = [error for error in self._errors.values() if isinstance(error, RunError)]
        if len(failed) > 1 and not self._done:
            raise failed[0]
        whole = put_rows(self._declared, self._prepared.rows, self._done)
        return Outputs(whole, self._prepared.object_id, dict(sorted(self._errors.items())))

    def _fail(self, error: HyraxError, start: int, stop: int) -> None:
        """Find the rows at fault, or give up where none may be masked."""
        if not self._mask or isinstance(error, RequirementError):
            raise error
        if stop - start == 1:
            self._errors[self._kept[start]] = error
            return
        middle = (start + stop) // 2
        self.run(start, middle)
        self.run(middle, stop)

    def _rows(self, start: int, stop: int) -> DataDict:
        if start == 0 and stop == len(self._kept):
            return self._prepared.data_dict
        return slice_rows(self._prepared.data_dict, start, stop)
