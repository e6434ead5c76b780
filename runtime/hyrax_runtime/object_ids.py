"""The ids of a batch's rows: where they stand, that they do not contradict one another, and a copy to keep."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from hyrax_runtime.columns import ColumnFault
from hyrax_runtime.contract import OBJECT_ID


def find_ids(data_dict: Mapping[str, Any], id_field: str | None = None) -> Any:
    """Return a copy of the ids: those beside the data sets, else of the field that training took them from.

    Where that is not there, `object_id` of the data sets counts, if they all have the same. None where there are none.

    Raises
    ------
    ColumnFault
        The ids are no column of rows, or two columns of them contradict one another.
    """
    beside = data_dict.get(OBJECT_ID)
    inside = None
    if id_field is not None:
        friendly, _, name = id_field.partition("/")
        group: Any = data_dict.get(friendly)
        inside = group.get(name) if _is_mapping(group) else None
    if beside is not None and inside is not None:
        _require_same({OBJECT_ID: beside, str(id_field): inside})
    elif beside is None and inside is None:
        found = {f"{key}/{OBJECT_ID}": one[OBJECT_ID] for key, one in data_dict.items() if _has_ids(one)}
        if not found:
            return None
        _require_same(found)
        inside = next(iter(found.values()))
    return _copied(inside if beside is None else beside)


def _is_mapping(value: Any) -> bool:
    return type(value) is dict or isinstance(value, Mapping)  # asking the abstract class takes ten times as long


def _has_ids(group: Any) -> bool:
    return _is_mapping(group) and group.get(OBJECT_ID) is not None


def _copied(ids: Any) -> Any:
    """A copy: the caller's own buffer may serve again, and would change the ids of outputs already given."""
    kind = type(ids)
    if kind is list:
        return list(ids)
    if (
        isinstance(ids, (str, bytes, set, frozenset, Mapping))
        or not hasattr(ids, "__len__")
        or getattr(ids, "ndim", 1) == 0
    ):
        raise ColumnFault(f"a {kind.__name__} where one id for each row is expected, such as a list")
    if kind is tuple or kind is range:
        return ids
    if isinstance(ids, np.ndarray):
        return ids.copy()
    try:
        return _COPIES.get(kind.__module__.partition(".")[0], deepcopy)(ids)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ColumnFault(f"a {kind.__name__} of ids cannot be copied ({error}); give a list") from error


def _copied_arrow(ids: Any) -> Any:
    import pyarrow as pa  # whoever made them has loaded it

    pieces = ids.chunks if isinstance(ids, pa.ChunkedArray) else [ids]
    return pa.concat_arrays(pieces) if pieces else ids


# Libraries whose deepcopy leaves the memory shared, or copies far more of it than the rows at hand.
_COPIES: dict[str, Callable[[Any], Any]] = {
    "pyarrow": _copied_arrow,
    "torch": lambda ids: ids.clone(),
    "polars": lambda ids: pickle.loads(pickle.dumps(ids)),
}


def _require_same(columns: Mapping[str, Any]) -> None:
    first, *others = columns.items() if columns else [("", ())]
    for name, ids in others:
        if ids is first[1]:
            continue
        if len(ids) != len(first[1]):
            raise ColumnFault(f"{len(ids)} ids in {name} and {len(first[1])} in {first[0]}")
        for row, (one, other) in enumerate(zip(first[1], ids, strict=True)):
            if not _are_same(one, other):
                raise ColumnFault(f"row {row} is {one!r} in {first[0]} and {other!r} in {name}; keep the one meant")


def _are_same(one: Any, other: Any) -> bool:
    """Whether two ids are equal, all the way down; what cannot say so (pandas.NA) is equal to itself alone."""
    try:
        return one is other or bool(np.all(one == other))
    except (TypeError, ValueError):
        return False
