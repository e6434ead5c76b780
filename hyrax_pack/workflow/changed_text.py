"""A to_tensor that was edited after training: whether it still makes the tensors that trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from hyrax_runtime.replay import Returned, as_slots, compile_protected

from hyrax_pack.data import DataProvider, Group
from hyrax_pack.errors import HyraxError, TrainingError
from hyrax_pack.resolving import user_code

ROWS, BATCH = 256, 64

Function = Callable[[Any], Any]


def rows_made_alike(before: str, now: str, provider: DataProvider) -> int | None:
    """On how many training rows two texts make the same tensors, bit for bit; None where they differ on any.

    With labels and without: a text that fails without labels, as the one before may, is none to be like. The one of now
    has to work both ways.
    """
    then, after = (compile_protected(text, on_copy=True) for text in (before, now))
    group, rows = provider.group("train"), 0
    for batch in _batches(group):
        try:
            if not _same(_call(then, group.data_dict(batch)), _call(after, group.data_dict(batch))):
                return None
            data_dict = group.data_dict(batch, inference=True)
            found = _call(after, data_dict)
        except HyraxError:
            return None
        try:
            if not _same(_call(then, data_dict), found):
                return None
        except TrainingError:
            pass
        rows += len(batch)
    return rows


def _batches(group: Group) -> Iterator[list[int]]:
    """A few hundred rows, evenly spread; the last of them alone."""
    rows = np.unique(np.linspace(0, len(group) - 1, min(len(group), ROWS)).astype(np.int64)).tolist()
    yield from (rows[at : at + BATCH] for at in range(0, len(rows), BATCH))
    yield rows[-1:]


def _call(function: Function, data_dict: Mapping[str, Any]) -> Returned:
    with user_code("to_tensor", TrainingError):
        return as_slots(function(data_dict), rows=len(data_dict["object_id"]))


def _same(one: Returned, other: Returned) -> bool:
    if one.returns != other.returns or len(one.slots) != len(other.slots):
        return False
    return all(
        a is b or (a is not None and b is not None and _bits(a) == _bits(b))
        for a, b in zip(one.slots, other.slots, strict=True)
    )


def _bits(array: np.ndarray[Any, Any]) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.str, array.shape, array.tobytes()
