"""In which order numpy adds up an array: from how it lies in memory, tried on real numbers before it is believed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.lowering.graph.building import Value
from hyrax_pack.lowering.operations.arithmetic import binary
from hyrax_pack.lowering.operations.reducing import reduce_sum
from hyrax_pack.lowering.operations.summing import Order, add_in_order, sum_in_order

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

_LARGEST = 1 << 22


def add_up(
    trace: Trace,
    value: Value,
    real: tuple[Any, Any],
    axes: Sequence[int],
    keep: bool,
    dtype: Any = None,
    start: Value | None = None,
) -> Value:
    """Return the sum of floats over axes, in numpy's order where that is known.

    Parameters
    ----------
    value : Value
        What is added up, in the dtype that it is added up in.
    real : pair of ndarray
        numpy's own arrays of the two batches, as they lie in memory.
    dtype : dtype, optional
        What numpy adds up in, where that is another dtype than the arrays'.
    start : Value, optional
        A number that all is added to, in the dtype of `value`.
    """
    if value.dtype.kind == "f" and value.dtype.itemsize >= 4 and axes and value.constant is None:
        orders = {_order_of(np.asarray(one), tuple(axes), np.dtype(dtype or value.dtype)) for one in real}
        order = orders.pop()
        if order is not None and not orders:
            made = sum_in_order(trace.graph, value, order, keep, start)
            if made is not None:
                return made
    made = reduce_sum(trace.graph, value, list(axes), keep)
    return made if start is None else binary(trace.graph, "Add", made, start)


def _order_of(array: NDArray[Any], axes: tuple[int, ...], dtype: np.dtype[Any]) -> Order | None:
    if not 0 < array.size <= _LARGEST or any(
        stride == 0 and size > 1 for stride, size in zip(array.strides, array.shape, strict=True)
    ):
        return None
    return _checked_order(array.shape, array.strides, array.dtype, axes, dtype)


@functools.lru_cache(maxsize=256)
def _checked_order(
    shape: tuple[int, ...], strides: tuple[int, ...], held: np.dtype[Any], axes: tuple[int, ...], dtype: np.dtype[Any]
) -> Order | None:
    """Return the order for a layout, if numpy keeps to it on numbers whose sums show every change of order."""
    order = _likely_order(shape, strides, axes)
    array = _laid_out(shape, strides, held)
    with np.errstate(all="ignore"):
        wanted = np.add.reduce(array, axis=axes, dtype=dtype)
        got = add_in_order(array.astype(dtype, copy=False), order)
    return order if np.array_equal(wanted, got) else None


def _likely_order(shape: tuple[int, ...], strides: tuple[int, ...], axes: tuple[int, ...]) -> Order:
    """Return the order of numpy's iterator: the largest steps in memory outermost."""
    real = sorted((axis for axis in range(len(shape)) if shape[axis] > 1), key=lambda axis: -abs(strides[axis]))
    inner: list[int] = []
    while real and real[-1] in axes:
        inner.insert(0, real.pop())
    outer = [axis for axis in real if axis in axes]
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    flat = [axis for axis in axes if axis not in (*outer, *inner)]
    return Order(tuple(kept), tuple(outer), (*flat, *inner))


def _laid_out(shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return numbers that lie in memory as asked."""
    reach = [(size - 1) * stride for size, stride in zip(shape, strides, strict=True)]
    low, high = sum(min(0, one) for one in reach), sum(max(0, one) for one in reach)
    count = (high - low) // dtype.itemsize + 1
    numbers = np.random.default_rng(0).uniform(-100, 300, count)
    buffer = numbers.astype(dtype) if dtype.kind != "b" else numbers > 0
    start = np.ndarray((), dtype, buffer.data, -low)
    return np.lib.stride_tricks.as_strided(start, shape, strides)
