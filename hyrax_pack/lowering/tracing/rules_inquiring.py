"""Questions about arrays that have an answer before any data is seen: shape, ndim, dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.lowering.tracing.arrays import Traced
from hyrax_pack.lowering.tracing.numbers import TracedNumber
from hyrax_pack.lowering.tracing.rule import Rule
from hyrax_pack.lowering.tracing.shadows import shadow_of

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace


def lower_shape(trace: Trace, a: Any) -> tuple[Any, ...]:
    """Lower np.shape."""
    shape: tuple[Any, ...] = trace.array_of(a).shape
    return shape


def lower_ndim(trace: Trace, a: Any) -> int:
    """Lower np.ndim."""
    return int(np.ndim(shadow_of(a, 0)))


def lower_size(trace: Trace, a: Any, axis: int | None = None) -> Any:
    """Lower np.size."""
    array = trace.array_of(a)
    return array.size if axis is None else array.shape[axis]


def lower_isscalar(trace: Trace, element: Any) -> bool:
    """Lower np.isscalar."""
    return bool(np.isscalar(shadow_of(element, 0)))


def lower_result_type(trace: Trace, *values: Any) -> Any:
    """Lower np.result_type."""
    return np.result_type(*[_kind(one) for one in values])


def _kind(value: Any) -> Any:
    if isinstance(value, Traced):
        return value.dtype
    return value.shadow(0) if isinstance(value, TracedNumber) else value


def lower_broadcast_shapes(trace: Trace, *shapes: Any) -> Any:
    """Refuse np.broadcast_shapes with the size of the batch in it."""
    trace.refuse("shapes with the size of the batch", construct="np.broadcast_shapes", hint="let numpy broadcast")


RULES: dict[Any, Rule] = {
    np.shape: Rule(lower_shape, is_special=True),
    np.ndim: Rule(lower_ndim, is_special=True),
    np.size: Rule(lower_size, is_special=True),
    np.isscalar: Rule(lower_isscalar, is_special=True),
    np.result_type: Rule(lower_result_type, is_special=True),
    np.broadcast_shapes: Rule(lower_broadcast_shapes, is_special=True),
    np.iscomplexobj: Rule(lambda trace, x: False, is_special=True),
    np.isrealobj: Rule(lambda trace, x: True, is_special=True),
    np.real: Rule(lambda trace, val: trace.array_of(val), is_special=True),
}
