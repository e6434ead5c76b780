"""How live data drifts from what training saw: ranges, NaN share. It reports; it never refuses anything."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_runtime.contract import FieldContract, InputContract
from hyrax_runtime.forking import put_right_after_fork
from hyrax_runtime.frozen import Frozen


class FieldDrift(Frozen):
    """One field: what training saw, and what has come in since the watch began.

    `outside` is the share of values seen, but for NaN, that lie outside the recorded range, 0..1; infinities do.
    `seen_least` and `seen_greatest` are None until a finite value has come.
    """

    path: str
    recorded_least: float | None
    recorded_greatest: float | None
    recorded_nan_share: float
    seen_values: int
    seen_least: float | None
    seen_greatest: float | None
    seen_nan_share: float
    outside: float

    def __str__(self) -> str:
        return (
            f"{self.path}: {_range(self.seen_least, self.seen_greatest)} where training saw "
            f"{_range(self.recorded_least, self.recorded_greatest)}; {self.outside:.2%} of {self.seen_values} values "
            f"outside, NaN {self.seen_nan_share:.2%} (training {self.recorded_nan_share:.2%})"
        )

    @property
    def surprise(self) -> float:
        """The greater of the share outside and the excess of NaN: what to look at first."""
        return max(self.outside, self.seen_nan_share - self.recorded_nan_share)


class Watch:
    """A running tally of the batches that a predictor takes. Stop it, or use it in a `with` block.

    Examples
    --------
    >>> with predictor.watch() as watch:            # doctest: +SKIP
    ...     predictor.predict(batch)
    >>> print(*watch.report(), sep="\\n")            # doctest: +SKIP
    """

    def __init__(self, contract: InputContract, stop: Callable[[Watch], None]) -> None:
        self.rows = 0
        self._stop = stop
        self._adding = threading.Lock()
        self._tallies = [_Tally(field) for field in contract.read if field.kind in ("array", "ragged")]
        put_right_after_fork(self)

    def after_fork_in_child(self) -> None:
        """Begin with a lock that nobody holds."""
        self._adding = threading.Lock()

    def stop(self) -> None:
        """End the watch; what was counted stays readable."""
        self._stop(self)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    def add(self, data_dict: Mapping[str, Any], rows: int) -> None:
        """Count one checked batch."""
        with self._adding:
            self.rows += rows
            for tally in self._tallies:
                tally.add(data_dict)

    def report(self) -> tuple[FieldDrift, ...]:
        """Return one entry for each numeric field that `to_tensor` reads, those that drift most first."""
        with self._adding:
            drifts = [tally.drift() for tally in self._tallies]
        return tuple(sorted(drifts, key=lambda drift: -drift.surprise))


class _Tally:
    def __init__(self, field: FieldContract) -> None:
        self._field = field
        self._least = np.inf if field.least is None else field.least
        self._greatest = -np.inf if field.greatest is None else field.greatest
        self._values = self._nans = self._finite = self._outside = 0
        self._seen_least, self._seen_greatest = np.inf, -np.inf

    def add(self, data_dict: Mapping[str, Any]) -> None:
        """Count one column."""
        group = data_dict if self._field.friendly is None else data_dict[self._field.friendly]
        column = group[self._field.field]
        for values in [column] if isinstance(column, np.ndarray) or self._field.kind == "array" else column:
            self._add_array(np.asarray(values))

    def _add_array(self, values: NDArray[Any]) -> None:
        if values.dtype.kind == "c":
            values = np.abs(values)
        self._values += values.size
        if values.dtype.kind == "f":
            self._nans += int(np.isnan(values).sum())
            self._outside += int(np.isinf(values).sum())
            values = values[np.isfinite(values)]
        if values.size == 0:
            return
        self._finite += values.size
        least, greatest = float(values.min()), float(values.max())
        if least < self._least or greatest > self._greatest:
            self._outside += int(((values < self._least) | (values > self._greatest)).sum())
        self._seen_least = min(self._seen_least, least)
        self._seen_greatest = max(self._seen_greatest, greatest)

    def drift(self) -> FieldDrift:
        """Return the tally so far."""
        field = self._field
        return FieldDrift(
            field.path,
            field.least,
            field.greatest,
            field.nan_share,
            self._values,
            self._seen_least if self._finite else None,
            self._seen_greatest if self._finite else None,
            self._nans / self._values if self._values else 0.0,
            self._outside / (self._values - self._nans) if self._outside and field.least is not None else 0.0,
        )


def _range(least: float | None, greatest: float | None) -> str:
    return "no values" if least is None or greatest is None else f"{least:.6g}..{greatest:.6g}"
