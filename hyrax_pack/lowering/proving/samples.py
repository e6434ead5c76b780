"""Rows to try: real ones, drawn again and again, and ones made of the values that training saw.

Columns are stacked arrays by path, as a lowered graph takes them; `data_dict` turns them into what the function takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hyrax_runtime.contract import FieldContract, InputContract
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]
Generator = np.random.Generator

_FREE_SIZES = (11, 13, 17, 1, 2, 8, 64, 100, 257)
_INVENTED_ROWS = 8


@dataclass(frozen=True)
class Samples:
    """The rows of the examples, by path.

    Attributes
    ----------
    pools : mapping from path to ndarray
    others : mapping from path to sequence
        What cannot be stacked: text, rows of differing shape.
    literals : tuple of float
        The numbers that stand in the text.
    telling : mapping from path to sequence of float
        The numbers at which something that is made of a field turns over (see graph.solving).
    """

    contract: InputContract
    pools: Mapping[str, NDArray[Any]]
    others: Mapping[str, Sequence[Any]]
    literals: tuple[float, ...] = ()
    telling: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def draw(self, size: int, random: Generator, *, stretch: int = 0) -> Columns:
        """Return ordinary columns: two thirds real rows, one third with the values of each field shuffled.

        `stretch` chooses the size of free dimensions; the first three are of an ordinary length.
        """
        picks = random.integers(0, self._count(), size)
        shuffled = random.random(size) < 1 / 3
        if size > 1:
            shuffled[0] = False
        made = {}
        for path, pool in self.pools.items():
            column = pool[picks % len(pool)]
            for row in np.flatnonzero(shuffled):
                column[row] = random.choice(pool.ravel(), column[row].shape)
            made[path] = _stretched(column, self._field(path), stretch)
        return made

    def data_dict(self, columns: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """Return the columns in the form that the function was trained with, as copies."""
        size = len(next(iter(columns.values()))) if columns else 0
        made: dict[str, Any] = {}
        for one in self.contract.fields:
            if one.path in columns:
                values = _in_form(columns[one.path], one)
            else:
                pool = self.others[one.path]
                values = [pool[at % len(pool)] for at in range(size)] if len(pool) else [None] * size
            target = made if one.friendly is None else made.setdefault(one.friendly, {})
            target[one.field] = values
        return made

    def beginning_at(self, row: int) -> Samples:
        """Return samples whose first row has the text and the ragged values that `row` has here."""
        others = {
            path: [*pool[row % len(pool) :], *pool[: row % len(pool)]] for path, pool in self.others.items() if pool
        }
        return replace(self, others={**self.others, **others})

    def _count(self) -> int:
        return max((len(pool) for pool in self.pools.values()), default=1)

    def _field(self, path: str) -> FieldContract:
        return next(one for one in self.contract.fields if one.path == path)


def take_rows(columns: Mapping[str, NDArray[Any]], rows: Any) -> Columns:
    """Return some rows of every column."""
    return {path: column[rows] for path, column in columns.items()}


def row_bytes(samples: Samples) -> int:
    """Return how much memory a row of all fields takes."""
    return max(1, sum(pool[:1].nbytes for pool in samples.pools.values()))


def rows_within(samples: Samples, most_bytes: int, least: int, most: int) -> int:
    """Return how many rows there is room for, within bounds."""
    return max(least, min(most, most_bytes // row_bytes(samples)))


def has_free_axes(samples: Samples) -> bool:
    """Whether some axis of a row may be of any length."""
    fields = (one for one in samples.contract.fields if one.path in samples.pools)
    return any(not isinstance(dim, int) for one in fields for dim in one.shape)


def gather_samples(
    contract: InputContract, examples: Sequence[Mapping[str, Any]], literals: tuple[float, ...] = ()
) -> Samples:
    """Collect the rows of data_dicts in the recorded form; a field without rows gets invented ones."""
    pools: dict[str, NDArray[Any]] = {}
    others: dict[str, list[Any]] = {}
    random = np.random.default_rng(0)
    for one in contract.fields:
        rows = [row for example in examples for row in _rows_of(example, one)]
        if one.kind == "array" and np.dtype(one.dtype).kind in "biuf":
            pool = _stack(rows, one)
            pools[one.path] = pool if len(pool) else _invented(one, random)
        else:
            others[one.path] = rows
    return Samples(contract, pools, others, literals)


def _rows_of(example: Mapping[str, Any], one: FieldContract) -> list[Any]:
    group = example if one.friendly is None else example.get(one.friendly, {})
    return list(group.get(one.field, ()))


def _stack(rows: Sequence[Any], one: FieldContract) -> NDArray[Any]:
    """Stack rows; those whose free dimensions are not those of the first are stretched to them."""
    arrays = [np.asarray(row, dtype=one.dtype) for row in rows]
    if not arrays:
        return np.empty((0,), one.dtype)
    shape = arrays[0].shape
    return np.stack([array if array.shape == shape else np.resize(array, shape) for array in arrays])


def _invented(one: FieldContract, random: Generator) -> NDArray[Any]:
    shape = tuple(dim if isinstance(dim, int) else _FREE_SIZES[0] for dim in one.shape)
    low = -1.0 if one.least is None else one.least
    high = 1.0 if one.greatest is None else one.greatest
    values = random.uniform(low, high, (_INVENTED_ROWS, *shape))
    dtype = np.dtype(one.dtype)
    return (values > 0 if dtype == np.bool_ else np.rint(values) if dtype.kind in "iu" else values).astype(dtype)


def _stretched(column: NDArray[Any], one: FieldContract, stretch: int) -> NDArray[Any]:
    """Give every free dimension a size of its own, the same for every field."""
    for axis, dim in enumerate(one.shape, start=1):
        if not isinstance(dim, int):
            size = _FREE_SIZES[stretch % len(_FREE_SIZES)]
            column = np.take(column, np.arange(size) % column.shape[axis], axis)
    return np.ascontiguousarray(column)


def _in_form(column: NDArray[Any], one: FieldContract) -> Any:
    if one.form != "list":
        return column.copy()
    if one.element == "python":
        return column.tolist()
    return [row.copy() if isinstance(row, np.ndarray) else row for row in column]
