"""Arrays of one number, and repeating values to shapes that hold the size of the batch."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.lowering.graph.building import Value
from hyrax_pack.lowering.operations.casting import cast
from hyrax_pack.lowering.operations.shaping import broadcast
from hyrax_pack.lowering.tracing.calculating import number_as
from hyrax_pack.lowering.tracing.numbers import Size, TracedNumber
from hyrax_pack.lowering.tracing.shadows import shadow_of
from hyrax_pack.lowering.tracing.wrapping import known, wrap

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace


def make_filled(trace: Trace, shape: Any, number: Any, dtype: Any = None) -> Any:
    """Return an array of one number; known where its shape is, so that it may be written into."""
    wanted = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    filling = trace.array_of(number)
    dtype = np.dtype(dtype) if dtype is not None else filling.dtype
    wanted = tuple(shape_dim(trace, dim) for dim in wanted)
    if not any(isinstance(dim, Size) for dim in wanted) and not trace.holds_traced(number):
        return known(trace, np.full(wanted, shadow_of(number, 0), dtype))
    real = [np.full(shadow_of(wanted, at), shadow_of(number, at), dtype) for at in (0, 1)]
    if isinstance(number, TracedNumber):
        one = number_as(trace, number, dtype)
    else:
        trace.check_cast(filling.value, dtype)
        one = cast(trace.graph, filling.value, dtype)
    return wrap(trace, (real[0], real[1]), broadcast_to_sizes(trace, one, wanted))


def broadcast_to_sizes(trace: Trace, value: Value, wanted: Sequence[Any]) -> Value:
    """Repeat a value to a shape of numbers and sizes."""
    dims = [shape_dim(trace, dim) for dim in wanted]
    sizes = [dim.value if isinstance(dim, Size) else None for dim in dims]
    return broadcast(trace.graph, value, tuple(dim.dim if isinstance(dim, Size) else dim for dim in dims), sizes)


def shape_dim(trace: Trace, dim: Any) -> int | Size:
    """Return one dimension of a shape that the text gives: a number, or a size; a value of the data is neither."""
    if isinstance(dim, Size):
        return dim
    return operator.index(dim)


def broadcast_sizes(shapes: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return the shape that arrays broadcast to, with sizes for what is only known when the graph runs."""
    rank = max(len(shape) for shape in shapes)
    result: list[Any] = []
    for axis in range(-rank, 0):
        dims = [shape[axis] for shape in shapes if len(shape) >= -axis]
        sized = [dim for dim in dims if isinstance(dim, Size)]
        fixed = [dim for dim in dims if not isinstance(dim, Size) and dim != 1]
        result.append(fixed[0] if fixed else sized[0] if sized else 1)
    return tuple(result)
