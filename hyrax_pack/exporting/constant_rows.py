"""Rows whose values are all equal: their standard deviation and range are nought but for rounding.

What a model divides by either is then rounding itself, and every other order of the same additions answers otherwise:
torch in a batch of another size, or the graph. That looks like rows that touch one another, like an overflow, or like a
wrong graph, and is none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.exporting.slots import Slots, row_count

CAUSE = (
    "Only rows whose values are all equal differ: their standard deviation or range is 0 but for rounding, and what is "
    "divided by it is rounding too. Answer such rows apart, in to_tensor or by "
    "torch.where(std > 1e-3 * x.abs().amax(1, keepdim=True), x / std, 0); adding a small number to std does not help"
)


def constant_rows(slots: Slots) -> NDArray[np.bool_]:
    """Flag the rows of which a slot, or all of one channel or column of it, holds one value over and over."""
    flags = np.zeros(row_count(slots), dtype=bool)
    for slot in slots:
        if slot is None or slot.dtype.kind != "f" or slot.ndim < 2 or not slot.size:
            continue
        flags |= _constant(slot.reshape(len(slot), 1, -1))
        if slot.ndim > 2:
            flags |= _constant(slot.reshape(len(slot), slot.shape[1], -1))
            flags |= _constant(np.moveaxis(slot, -1, 1).reshape(len(slot), slot.shape[-1], -1))
    return flags


def all_constant(slots: Slots, rows: Sequence[int], pool: Slots) -> bool:
    """Whether rows of a batch are all of them constant, while others of the pool are not."""
    return bool(rows) and bool(constant_rows(slots)[list(rows)].all()) and not constant_rows(pool).all()


def _constant(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.shape[-1] < 2:
        return np.zeros(len(values), dtype=bool)
    return np.asarray((values == values[..., :1]).all(axis=-1).any(axis=-1))
