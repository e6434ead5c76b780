"""Rows of a data_dict with other values in them, and rows of two dicts as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def with_planted_nan(data_dict: dict[str, Any], path: str) -> dict[str, Any] | None:
    """The rows with a NaN in one field: in a different place of each row, and nothing else in the last one."""
    friendly, _, name = path.partition("/")
    values = data_dict.get(friendly, {}).get(name)
    if not isinstance(values, (list, np.ndarray)):
        return None
    rows = [np.array(row) for row in values]
    for at, row in enumerate(rows):
        if row.dtype.kind != "f" or not row.size:
            return None
        row.flat[at * 7 % row.size] = np.nan
    rows[-1][...] = np.nan
    if isinstance(values, np.ndarray):
        planted: Any = np.stack(rows).astype(values.dtype)
    else:
        planted = [_like(value, row) for value, row in zip(values, rows, strict=True)]
    return {**data_dict, friendly: {**data_dict[friendly], name: planted}}


def _like(value: Any, row: np.ndarray[Any, Any]) -> Any:
    """A row in the form of the one that it stands for: an array, a numpy scalar, a float, or a list."""
    if isinstance(value, np.ndarray):
        return row
    return row.tolist() if isinstance(value, list) else type(value)(row[()])


def joined_rows(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any] | None:
    """Two batches as one, where every field is a list of rows or an array of rows of one shape; else None."""
    joined: dict[str, Any] = {}
    for key, value in one.items():
        found = other.get(key)
        if isinstance(value, Mapping) and isinstance(found, Mapping):
            inner = joined_rows(dict(value), dict(found))
            if inner is None:
                return None
            joined[key] = inner
        elif isinstance(value, list) and isinstance(found, list):
            joined[key] = [*value, *found]
        elif isinstance(value, np.ndarray) and isinstance(found, np.ndarray) and value.shape[1:] == found.shape[1:]:
            joined[key] = np.concatenate([value, found])
        else:
            return None
    return joined if one.keys() == other.keys() else None
