"""Rows to measure with: the bundle's golden rows, repeated, each in memory of its own as live rows would be."""

from __future__ import annotations

from typing import Any

import numpy as np

from hyrax_runtime.bundle import Bundle
from hyrax_runtime.contract import InputContract
from hyrax_runtime.contract_check import DataDict, InputCheck, nest
from hyrax_runtime.golden import decode_column


class RepeatedRows:
    """The golden rows in the form that `contract` records, ready to be repeated.

    Attributes
    ----------
    rows : int
        How many golden rows there are.
    row_bytes : int
        The size of one in memory, about.
    """

    def __init__(self, bundle: Bundle, contract: InputContract) -> None:
        columns = {column.path: decode_column(column, bundle.read) for column in bundle.manifest.golden.input}
        prepared = InputCheck(contract).prepare(nest(columns))
        self.rows = prepared.rows
        self._data_dict = prepared.data_dict
        self.row_bytes = max(1, _bytes_of(self._data_dict) // self.rows)

    def batch(self, rows: int) -> DataDict:
        """Return `rows` rows, the first one again after the last."""
        made: DataDict = _taken(self._data_dict, [row % self.rows for row in range(rows)])
        return made


def _taken(values: Any, numbers: list[int]) -> Any:
    if isinstance(values, dict):
        return {name: _taken(inner, numbers) for name, inner in values.items()}
    if isinstance(values, np.ndarray):
        return values[numbers]
    return [_own(values[number]) for number in numbers]


def _own(row: Any) -> Any:
    return row.copy() if isinstance(row, np.ndarray) else row


def _bytes_of(values: Any) -> int:
    if isinstance(values, dict):
        return sum(map(_bytes_of, values.values()))
    if isinstance(values, (np.ndarray, np.generic)):
        return values.nbytes
    if isinstance(values, (list, tuple)):
        return sum(map(_bytes_of, values))
    return len(values) if isinstance(values, (str, bytes)) else 8
