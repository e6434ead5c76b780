"""Fields that to_tensor reads for nothing: all that they feed are slots that no output depends on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from hyrax_runtime.errors import HyraxError
from hyrax_runtime.manifest import Slot

from hyrax_pack.workflow.evidence import Evidence

_ROWS = 8


def idle_fields(evidence: Evidence, fields_read: Collection[str], slots: Sequence[Slot]) -> list[str]:
    """Return the paths of the fields that change only slots which are no input of the graph.

    Each field in turn is given other rows' values, and other values altogether; a field that changes no slot is not
    among them: nothing is known about it.
    """
    pruned = {place for place, slot in enumerate(slots) if slot.kind == "tensor" and slot.graph_input is None}
    if not pruned:
        return []
    rows = [*evidence.held_out, *evidence.sample][:_ROWS]
    given = evidence.data_dict(rows)
    before = evidence.slots_of(given)
    found = []
    for path in sorted(fields_read):
        fed: set[int] = set()
        for other in _other_values(given, path):
            try:
                after = evidence.slots_of(other)
            except HyraxError:  # values that to_tensor refuses are values that it looks at
                fed |= {-1}
                break
            fed |= {place for place, (one, two) in enumerate(zip(before, after, strict=True)) if not _same(one, two)}
        if fed and fed <= pruned:
            found.append(path)
    return found


def _other_values(data_dict: Mapping[str, Any], path: str) -> Iterator[dict[str, Any]]:
    friendly, _, field = path.partition("/")
    entry = data_dict.get(friendly)
    if not isinstance(entry, Mapping) or field not in entry:
        return
    values = entry[field]
    for other in (values[::-1], _shifted(values)):
        yield {**data_dict, friendly: {**entry, field: other}}


def _shifted(values: Any) -> Any:
    """Every number one greater, whatever holds them; texts stay."""
    if isinstance(values, np.ndarray):
        return (values + 1).astype(values.dtype) if values.dtype.kind in "iuf" else values
    return [_shifted(np.asarray(row))[()] if np.asarray(row).dtype.kind in "iuf" else row for row in values]


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return one.shape == other.shape and bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
