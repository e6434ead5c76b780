"""Over axes: sums, means, spreads, extremes, truth, positions of extremes, running totals, differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from hyrax_pack.lowering.graph.building import Free, Graph, Value
from hyrax_pack.lowering.operations.arithmetic import as_truth, binary, choose, unary
from hyrax_pack.lowering.operations.casting import BOOL, FLOAT16, FLOAT32, FLOAT64, INT64, cast
from hyrax_pack.lowering.operations.reducing import (
    element_count,
    position_of_extreme,
    reduce_all,
    reduce_any,
    reduce_extreme,
    reduce_product,
    reduce_sum,
    running_sum,
)
from hyrax_pack.lowering.operations.shaping import element_total, expand_dims, reshape, take_positions
from hyrax_pack.lowering.tracing.numbers import Size
from hyrax_pack.lowering.tracing.rule import Rule
from hyrax_pack.lowering.tracing.shadows import on_shadows
from hyrax_pack.lowering.tracing.summing import add_up

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

_MISSING = np._NoValue


def reduced_axes(trace: Trace, array: Any, axis: Any) -> list[int]:
    """Return the axes that a reduction runs over, as numbers from 0."""
    if axis is None:
        return list(range(array.ndim))
    return sorted(normalize_axis_tuple(axis, array.ndim))


def _is_set(option: Any) -> bool:
    return option is not None and option is not _MISSING


def _keep(keepdims: Any) -> bool:
    return bool(keepdims) if keepdims is not _MISSING else False


def _summing(emit: Callable[..., Value], neutral: int) -> Callable[..., Value]:
    """Return the rule of np.sum or np.prod."""

    def rule(
        trace: Trace,
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        *,
        keepdims: Any = _MISSING,
        initial: Any = _MISSING,
        where: Any = _MISSING,
    ) -> Value:
        array = trace.array_of(a)
        wide = np.dtype(dtype) if dtype is not None else summed_dtype(array.dtype)
        if _is_set(where) and where is not True:
            array = np.where(where, array, array.dtype.type(neutral))
        value, axes = cast(trace.graph, array.value, wide), reduced_axes(trace, array, axis)
        start = cast(trace.graph, trace.array_of(initial).value, wide) if _is_set(initial) else None
        if neutral == 0 and not (_is_set(where) and where is not True):
            return add_up(trace, value, array.shadows, axes, _keep(keepdims), wide, start)
        made = emit(trace.graph, value, axes, _keep(keepdims))
        return made if start is None else binary(trace.graph, "Add" if neutral == 0 else "Mul", made, start)

    return rule


def summed_dtype(dtype: Any) -> Any:
    """Return the dtype that numpy sums up in."""
    return np.sum(np.zeros(1, dtype)).dtype


def lower_mean(
    trace: Trace, a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = _MISSING, where: Any = _MISSING
) -> Any:
    """Lower np.mean: the sum, divided by how many."""
    array = trace.array_of(a)
    if _is_set(where) and where is not True:
        mask = np.broadcast_to(where, array.shape) if np.ndim(where) < array.ndim else where
        made = np.dtype(dtype) if dtype is not None else mean_dtype(array.dtype)
        inner = FLOAT32 if made == FLOAT16 and dtype is None else made
        total = np.sum(array, axis=axis, dtype=inner, keepdims=_keep(keepdims), where=mask)
        return (total / np.sum(mask, axis=axis, keepdims=_keep(keepdims)).astype(inner)).astype(made)
    wide = np.dtype(dtype) if dtype is not None else mean_dtype(array.dtype)
    inner = FLOAT32 if wide == FLOAT16 else wide
    value, axes = cast(trace.graph, array.value, inner), reduced_axes(trace, array, axis)
    made = _mean(trace, value, array.shadows, axes, _keep(keepdims))
    return cast(trace.graph, made, wide)


def mean_dtype(dtype: Any) -> Any:
    """Return the dtype of a mean."""
    return dtype if dtype.kind == "f" else FLOAT64


def _mean(trace: Trace, value: Value, real: tuple[Any, Any], axes: Sequence[int], keep: bool) -> Value:
    graph = trace.graph
    count = cast(graph, element_count(graph, value, axes), value.dtype)
    return binary(graph, "Div", add_up(trace, value, real, axes, keep), count)


def lower_var(
    trace: Trace,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: Any = 0,
    *,
    keepdims: Any = _MISSING,
    where: Any = _MISSING,
    mean: Any = _MISSING,
    correction: Any = _MISSING,
) -> Value:
    """Lower np.var, as numpy computes it: the mean of the squares of what is left after the mean."""
    if (_is_set(where) and where is not True) or _is_set(mean):
        trace.refuse("where= or mean= of a variance", construct="np.var", hint="use masked sums: (x * mask).sum()")
    graph, array = trace.graph, trace.array_of(a)
    wide = np.dtype(dtype) if dtype is not None else mean_dtype(array.dtype)
    value, axes = cast(graph, array.value, wide), reduced_axes(trace, array, axis)
    apart = binary(graph, "Sub", value, _mean(trace, value, array.shadows, axes, True))
    real = on_shadows(_apart, [array, tuple(axes), wide])
    total = add_up(trace, binary(graph, "Mul", apart, apart), real, axes, _keep(keepdims))
    count = element_count(graph, value, axes)
    less = correction if _is_set(correction) else ddof
    if less:
        # a fraction is allowed; and never below zero, as numpy has it
        freedom = binary(graph, "Sub", cast(graph, count, FLOAT64), graph.constant(float(less)))
        count = binary(graph, "Max", freedom, graph.constant(0.0))
    return binary(graph, "Div", total, cast(graph, count, wide))


def _apart(array: Any, axes: tuple[int, ...], dtype: Any) -> Any:
    """Return what numpy squares for a variance: it lies in memory as numpy's does."""
    return np.asarray(array - np.mean(array, axis=axes, dtype=dtype, keepdims=True))


def lower_std(trace: Trace, a: Any, axis: Any = None, dtype: Any = None, ddof: Any = 0, **options: Any) -> Value:
    """Lower np.std."""
    return unary(trace.graph, "Sqrt", lower_var(trace, a, axis, dtype, ddof, **options))


def _extreme(op: str, joined: str) -> Callable[..., Value]:
    """Return the rule of np.max or np.min."""

    def rule(
        trace: Trace,
        a: Any,
        axis: Any = None,
        *,
        keepdims: Any = _MISSING,
        initial: Any = _MISSING,
        where: Any = _MISSING,
    ) -> Value:
        graph, array = trace.graph, trace.array_of(a)
        if _is_set(where) and where is not True:
            array = np.where(where, array, np.asarray(initial).astype(array.dtype))
        if array.dtype == BOOL and not _is_set(initial):
            emit = reduce_any if op == "ReduceMax" else reduce_all
            return emit(graph, array.value, reduced_axes(trace, array, axis), _keep(keepdims))
        _refuse_nothing(trace, array, axis, initial)
        axes = reduced_axes(trace, array, axis)
        is_free = any(isinstance(array.value.shape[at], Free) and not array.shape[at].is_batch for at in axes)
        if array.dtype == np.uint64 and (is_free or _is_set(initial)):
            trace.refuse("the extreme of uint64 values", construct="np.max", hint="convert to int64 or float64 first")
        made = reduce_extreme(graph, op, array.value, axes, _keep(keepdims))
        if is_free:
            # an axis of no length: an error here too
            made = binary(graph, joined, made, _first_of(graph, array.value, axes, _keep(keepdims)))
        if _is_set(initial):
            made = binary(graph, joined, made, cast(graph, trace.array_of(initial).value, made.dtype))
        return made

    return rule


def _first_of(graph: Graph, value: Value, axes: Sequence[int], keep: bool) -> Value:
    """Return the first entry along some axes."""
    for axis in sorted(axes, reverse=True):
        value = take_positions(graph, value, axis, 0)
    return expand_dims(graph, value, sorted(axes)) if keep else value


def _refuse_nothing(trace: Trace, array: Any, axis: Any, initial: Any) -> None:
    """A selection may hold nothing, and then numpy raises."""
    axes = reduced_axes(trace, array, axis)
    dims = [array.shape[at] for at in axes]
    if not _is_set(initial) and any(isinstance(dim, Size) and dim.dim is None for dim in dims):
        trace.refuse(
            "the extreme of a selection: numpy raises where nothing is selected",
            construct="np.max",
            hint="np.max(np.where(condition, x, -np.inf)), or initial=",
        )


def _truth(emit: Callable[..., Value]) -> Callable[..., Value]:
    """Return the rule of np.any or np.all."""

    def rule(trace: Trace, a: Any, axis: Any = None, *, keepdims: Any = _MISSING, where: Any = _MISSING) -> Value:
        array = trace.array_of(a)
        truth = as_truth(trace.graph, array.value)
        if _is_set(where) and where is not True:
            neutral = trace.graph.constant(emit is reduce_all)
            truth = choose(trace.graph, as_truth(trace.graph, trace.array_of(where).value), truth, neutral)
        return emit(trace.graph, truth, reduced_axes(trace, array, axis), _keep(keepdims))

    return rule


def _position(op: str) -> Callable[..., Value]:
    """Return the rule of np.argmax or np.argmin."""

    def rule(trace: Trace, a: Any, axis: Any = None, *, keepdims: Any = _MISSING) -> Value:
        graph, array = trace.graph, trace.array_of(a)
        if array.dtype == np.uint64:
            trace.refuse("the extreme of uint64 values", construct="np.argmax", hint="convert to int64 first")
        value = array.value
        if axis is None:
            if _keep(keepdims):
                trace.refuse("keepdims without an axis", construct="np.argmax")
            value, at = reshape(graph, value, (element_total(value.shape),)), 0
        else:
            at = normalize_axis_index(axis, array.ndim)
        _refuse_nothing(trace, array, axis, None)
        return position_of_extreme(graph, op, value, at, _keep(keepdims))

    return rule


def lower_count_nonzero(trace: Trace, a: Any, axis: Any = None, *, keepdims: bool = False) -> Value:
    """Lower np.count_nonzero."""
    array = trace.array_of(a)
    truth = cast(trace.graph, as_truth(trace.graph, array.value), INT64)
    return reduce_sum(trace.graph, truth, reduced_axes(trace, array, axis), bool(keepdims))


def lower_cumsum(trace: Trace, a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Lower np.cumsum."""
    array = trace.array_of(a)
    if axis is None:
        if array.ndim != 1:
            return np.cumsum(np.ravel(array), 0, dtype)
        axis = 0
    wide = np.dtype(dtype) if dtype is not None else summed_dtype(array.dtype)
    if wide == FLOAT16:
        trace.refuse(
            "a running total of float16, which numpy rounds after every step",
            construct="np.cumsum",
            hint="convert to float32 first: x.astype(np.float32)",
        )
    value = cast(trace.graph, array.value, wide)
    return running_sum(trace.graph, value, normalize_axis_index(axis, array.ndim))


def lower_diff(
    trace: Trace, a: Any, n: int = 1, axis: int = -1, prepend: Any = _MISSING, append: Any = _MISSING
) -> Any:
    """Lower np.diff."""
    array = trace.array_of(a)
    axis = normalize_axis_index(axis, array.ndim)
    edge = (*array.shape[:axis], 1, *array.shape[axis + 1 :])
    parts = [array]
    for at, extra in ((0, prepend), (len(parts), append)):
        if extra is not _MISSING:
            one = trace.array_of(extra)
            parts.insert(at if at == 0 else len(parts), np.broadcast_to(one, edge) if one.ndim == 0 else one)
    array = np.concatenate(parts, axis) if len(parts) > 1 else array
    cut = [slice(None)] * axis
    for _ in range(n):
        ends = array[(*cut, slice(1, None))], array[(*cut, slice(None, -1))]
        array = np.not_equal(*ends) if array.dtype == BOOL else np.subtract(*ends)
    return array


def lower_ptp(trace: Trace, a: Any, axis: Any = None, keepdims: Any = _MISSING) -> Any:
    """Lower np.ptp."""
    array, keep = trace.array_of(a), _keep(keepdims)
    return np.subtract(np.max(array, axis=axis, keepdims=keep), np.min(array, axis=axis, keepdims=keep))


def lower_running_extreme(trace: Trace, ufunc: np.ufunc, array: Any, axis: int = 0) -> Any:
    """Lower np.maximum.accumulate: each step compares with what stands twice as far back."""
    array = trace.array_of(array)
    axis = normalize_axis_index(axis, array.ndim)
    size = array.shape[axis]
    if isinstance(size, Size):
        trace.refuse(f"a running extreme along {size.axis}", construct=f"np.{ufunc.__name__}.accumulate")
    cut = [slice(None)] * axis
    step = 1
    while step < size:
        later = ufunc(array[(*cut, slice(step, None))], array[(*cut, slice(None, -step))])
        array = np.concatenate([array[(*cut, slice(None, step))], later], axis)
        step *= 2
    return array


def lower_cumprod(trace: Trace, a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Lower np.cumprod along a short axis: one factor after the other, so that rounding is numpy's."""
    array = trace.array_of(a)
    if axis is None:
        array, axis = np.ravel(array), 0
    axis = normalize_axis_index(axis, array.ndim)
    size = array.shape[axis]
    if isinstance(size, Size) or size > 64:
        trace.refuse("a running product over more than 64 factors", construct="np.cumprod")
    array = array.astype(np.dtype(dtype) if dtype is not None else summed_dtype(array.dtype))
    cut = [slice(None)] * axis
    parts = [array[(*cut, slice(0, 1))]]
    for at in range(1, size):
        parts.append(np.multiply(parts[-1], array[(*cut, slice(at, at + 1))]))
    return np.concatenate(parts, axis)


RULES: dict[Any, Rule] = {
    np.sum: Rule(_summing(reduce_sum, 0)),
    np.prod: Rule(_summing(reduce_product, 1)),
    np.mean: Rule(lower_mean),
    np.var: Rule(lower_var),
    np.std: Rule(lower_std),
    np.max: Rule(_extreme("ReduceMax", "Max")),
    np.min: Rule(_extreme("ReduceMin", "Min")),
    np.amax: Rule(_extreme("ReduceMax", "Max")),
    np.amin: Rule(_extreme("ReduceMin", "Min")),
    np.any: Rule(_truth(reduce_any), edges={0: "np.any"}),
    np.all: Rule(_truth(reduce_all), edges={0: "np.all"}),
    np.argmax: Rule(_position("ArgMax"), edges={0: "np.argmax"}),
    np.argmin: Rule(_position("ArgMin"), edges={0: "np.argmin"}),
    np.count_nonzero: Rule(lower_count_nonzero, edges={0: "np.count_nonzero"}),
    np.cumsum: Rule(lower_cumsum),
    np.cumulative_sum: Rule(lambda trace, x, *, axis=None, dtype=None: lower_cumsum(trace, x, axis, dtype)),
    np.cumprod: Rule(lower_cumprod),
    np.diff: Rule(lower_diff),
    np.ptp: Rule(lower_ptp),
}
