"""From anything the text holds to something traced: an array, an array of another dtype, a Python number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.lowering.graph.rows import stack_rows
from hyrax_pack.lowering.operations.casting import BOOL, INT64, cast
from hyrax_pack.lowering.tracing.arrays import Traced, TracedArray
from hyrax_pack.lowering.tracing.complexes import TracedComplex
from hyrax_pack.lowering.tracing.explaining import really
from hyrax_pack.lowering.tracing.gathered import Gathered
from hyrax_pack.lowering.tracing.numbers import TracedNumber
from hyrax_pack.lowering.tracing.rows import Rows
from hyrax_pack.lowering.tracing.shadows import holds_traced, on_shadows
from hyrax_pack.lowering.tracing.untouchable import Untouchable
from hyrax_pack.lowering.tracing.wrapping import known, known_pair, wrap

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace


def array_of(trace: Trace, value: Any, dtype: Any = None) -> Any:
    """Return what `np.asarray` makes of anything; a constant becomes a known array."""
    if isinstance(value, Rows):
        value = value.stack
    if isinstance(value, Traced):
        return value
    if isinstance(value, Gathered) and value.is_batch:
        return _stacked(trace, value)
    if isinstance(value, TracedNumber):
        real = on_shadows(np.asarray, [value])
        return wrap(trace, real, value.value)
    if isinstance(value, Untouchable | TracedComplex):
        value.__array__()
    if holds_traced(value):
        if not isinstance(value, list | tuple):
            trace.refuse(f"an array is made of a {type(value).__name__} that holds values from the data")
        return trace.call(np.array, value)
    return known(trace, np.asarray(value, dtype=_constant_dtype(value, dtype)))


def _stacked(trace: Trace, gathered: Gathered) -> TracedArray:
    """Return the array that a list with one entry per row stacks to."""
    entries = gathered.entries()
    real = really(trace, np.asarray, (entries,), {})
    rows = [cast(trace.graph, trace.array_of(entry).value, real[0].dtype) for entry in entries]
    if len({row.shape for row in rows}) > 1:
        trace.refuse("rows of differing shape are stacked", hint="give all rows one shape")
    stack: TracedArray = wrap(trace, real, stack_rows(trace.graph, rows))
    return stack


def _constant_dtype(value: Any, wanted: Any) -> Any:
    """Return the dtype that a plain number takes beside an array of dtype `wanted`."""
    if wanted is None or type(value) not in (int, float):
        return None
    kinds = "f" if isinstance(value, float) else "iuf"
    return wanted if np.dtype(wanted).kind in kinds else None


def convert(trace: Trace, array: Traced, dtype: Any, *, casting: str = "unsafe", copy: bool = True) -> Any:
    """Return `array.astype(dtype)`."""
    real = really(trace, _as_type, (array, dtype, casting, copy), {})
    if real[0] is array.shadows[0]:
        return array
    if array.is_known:
        return known_pair(trace, real, [])
    trace.check_cast(array.value, dtype)
    return wrap(trace, real, cast(trace.graph, array.value, dtype))


def _as_type(value: Any, dtype: Any, casting: str, copy: bool) -> Any:
    if isinstance(value, np.generic):
        return value.astype(dtype)
    return value.astype(dtype, casting=casting, copy=copy)


def python_number(trace: Trace, value: Any, construct: str) -> Any:
    """Return what `.item()` gives: a Python number, which stays traced."""
    if value.is_known:
        return value.shadows[0].item()
    if any(pair != (1, 1) for pair in zip(value.shadows[0].shape, value.shadows[1].shape, strict=True)):
        trace.refuse("one number is asked of an array of several", construct=construct)
    numbers = (value.shadows[0].item(), value.shadows[1].item())
    if value.dtype == np.uint64:
        trace.refuse("a Python number of uint64 values", construct=construct, hint="convert to int64 first")
    wide = {bool: BOOL, int: INT64}.get(type(numbers[0]), np.dtype(np.float64))
    limits = np.iinfo(value.dtype) if value.dtype.kind in "iu" else np.iinfo(np.int64)
    bounds = (int(limits.min), int(limits.max))
    return TracedNumber(trace, numbers, cast(trace.graph, trace.scalar_of(value.value), wide), bounds)
