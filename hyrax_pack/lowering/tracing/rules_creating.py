"""Making arrays: np.array, zeros, full, arange and their kin; joining, splitting, copying."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from hyrax_pack.lowering.graph.building import Value
from hyrax_pack.lowering.operations.casting import cast
from hyrax_pack.lowering.operations.indexing import counting
from hyrax_pack.lowering.operations.shaping import join, stack
from hyrax_pack.lowering.tracing.arrays import Traced, TracedArray
from hyrax_pack.lowering.tracing.calculating import number_as
from hyrax_pack.lowering.tracing.filling import make_filled
from hyrax_pack.lowering.tracing.numbers import Size, TracedNumber
from hyrax_pack.lowering.tracing.rows import is_stacked
from hyrax_pack.lowering.tracing.rule import Rule
from hyrax_pack.lowering.tracing.shadows import on_shadows, shadow_of
from hyrax_pack.lowering.tracing.wrapping import wrap

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace


def lower_array(trace: Trace, object: Any, dtype: Any = None, **options: Any) -> Any:
    """Lower np.array: of an array, of the rows, of nested lists."""
    ndmin = options.get("ndmin", 0)
    if is_stacked(object):
        object = trace.array_of(object)
    if isinstance(object, Traced | TracedNumber):
        if isinstance(object, TracedNumber) and dtype is not None:
            return number_as(trace, object, dtype)
        array = trace.array_of(object)
        value = array.value
        trace.check_cast(value, array.dtype if dtype is None else dtype)
    else:
        value = _nested(trace, object, np.asarray(shadow_of(object, 0)).dtype)
    if dtype is not None:
        value = cast(trace.graph, value, np.dtype(dtype))
    for _ in range(ndmin - value.rank):
        value = stack(trace.graph, [value], 0)
    return value


def _nested(trace: Trace, value: Any, dtype: Any) -> Value:
    """Stack nested lists, every leaf cast to the dtype that numpy finds for the whole."""
    if isinstance(value, list | tuple) and not is_stacked(value):
        return stack(trace.graph, [_nested(trace, one, dtype) for one in value], 0)
    if isinstance(value, TracedNumber):
        return number_as(trace, value, dtype)
    return cast(trace.graph, trace.array_of(value).value, dtype)


def lower_asarray(trace: Trace, a: Any, dtype: Any = None, **options: Any) -> Any:
    """Lower np.asarray, which gives an array back as it is."""
    if isinstance(a, TracedArray) and (dtype is None or np.dtype(dtype) == a.dtype):
        return a
    if isinstance(a, Traced) and dtype is not None:
        trace.check_cast(a.value, dtype)
        return cast(trace.graph, a.value, np.dtype(dtype))
    return lower_array(trace, a, dtype)


def lower_copy(trace: Trace, a: Any, *args: Any, **kwargs: Any) -> Value:
    """Lower np.copy."""
    value: Value = trace.array_of(a).value
    return value


def _filled(function: Callable[..., Any], number: Any) -> Callable[..., Any]:
    """Return the rule of np.zeros, ones or empty for a shape that holds the batch."""

    def rule(trace: Trace, shape: Any, dtype: Any = float, **options: Any) -> Any:
        return make_filled(trace, shape, _filling(number, np.dtype(dtype)), np.dtype(dtype))

    return rule


def lower_full(trace: Trace, shape: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Any:
    """Lower np.full."""
    return make_filled(trace, shape, fill_value, dtype)


def _filled_like(number: Any) -> Callable[..., Any]:
    """Return the rule of np.zeros_like, ones_like or empty_like."""

    def rule(trace: Trace, a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
        array = trace.array_of(a)
        made = np.dtype(dtype) if dtype is not None else array.dtype
        return make_filled(trace, array.shape if shape is None else shape, _filling(number, made), made)

    return rule


def lower_full_like(trace: Trace, a: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Any:
    """Lower np.full_like."""
    array = trace.array_of(a)
    shape = options.get("shape")
    return make_filled(trace, array.shape if shape is None else shape, fill_value, dtype or array.dtype)


def _filling(number: Any, dtype: Any) -> Any:
    """Return what an array is filled with; np.empty with what no data looks like, so that reading it shows."""
    if number is not None:
        return dtype.type(number)
    if dtype.kind == "f":
        return dtype.type(np.nan)
    return dtype.type(np.iinfo(dtype).max // 3 * 2 - 11) if dtype.kind in "iu" else dtype.type(True)


def lower_arange(trace: Trace, *args: Any, dtype: Any = None, **options: Any) -> Any:
    """Lower np.arange up to the size of the batch, or of a selection."""
    if len(args) != 1 or not isinstance(args[0], Size):
        trace.refuse("a range whose ends depend on the data", construct="np.arange", hint="use np.arange(len(rows))")
    if trace.mode == "row" and args[0].is_batch:
        trace.refuse(
            "a row's position in its batch is used as a value",
            construct="np.arange",
            hint="a row must give the same whatever stands before it",
        )
    real = on_shadows(np.arange, args, {"dtype": dtype})
    return wrap(trace, real, counting(trace.graph, args[0].value))


def lower_concatenate(
    trace: Trace, arrays: Any, axis: Any = 0, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    """Lower np.concatenate."""
    if is_stacked(arrays):
        return _joined_rows(trace, arrays, axis)
    parts = [trace.array_of(one) for one in arrays]
    if axis is None:
        parts, axis = [np.ravel(one) for one in parts], 0
    common = np.dtype(dtype) if dtype is not None else np.result_type(*[one.shadows[0] for one in parts])
    axis = normalize_axis_index(axis, parts[0].ndim)
    return join(trace.graph, [cast(trace.graph, one.value, common) for one in parts], axis)


def _joined_rows(trace: Trace, rows: Any, axis: int | None) -> Any:
    """Join the rows themselves, end to end along one of their axes."""
    array = trace.array_of(rows)
    if axis is None:
        return np.ravel(array)
    at = normalize_axis_index(axis, array.ndim - 1)
    moved = np.moveaxis(array, 0, at)
    shape = moved.shape
    return np.reshape(moved, (*shape[:at], shape[at] * shape[at + 1], *shape[at + 2 :]))


def lower_stack(trace: Trace, arrays: Any, axis: int = 0, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Lower np.stack."""
    if is_stacked(arrays):
        array = np.moveaxis(trace.array_of(arrays), 0, axis)
        return array.astype(dtype if dtype is not None else array.dtype)
    parts = [trace.array_of(one) for one in arrays]
    common = np.dtype(dtype) if dtype is not None else np.result_type(*[one.shadows[0] for one in parts])
    at = normalize_axis_index(axis, parts[0].ndim + 1)
    return stack(trace.graph, [cast(trace.graph, one.value, common) for one in parts], at)


def _stacked(prepare: Callable[[Any], Any], axis: Callable[[int], int]) -> Callable[..., Any]:
    """Return the rule of np.vstack, hstack, dstack or column_stack: each array prepared, then joined."""

    def rule(trace: Trace, tup: Any, **options: Any) -> Any:
        if is_stacked(tup):
            return _stacked_rows(trace, trace.array_of(tup), prepare, axis)
        parts = [prepare(trace.array_of(one)) for one in tup]
        return np.concatenate(parts, axis(parts[0].ndim), **options)

    return rule


def _stacked_rows(trace: Trace, array: Any, prepare: Callable[[Any], Any], axis: Callable[[int], int]) -> Any:
    """Join the rows of one array, each prepared: the number of rows need not be known for that."""
    rows, *dims = array.shape
    row = prepare(np.empty(tuple(range(2, 2 + len(dims)))))  # sizes that say where the axes go
    shape = (rows, *(1 if mark == 1 else dims[mark - 2] for mark in row.shape))
    return _joined_rows(trace, np.reshape(array, shape), axis(row.ndim))


def _as_column(array: Any) -> Any:
    return array[:, None] if array.ndim == 1 else array


def lower_split(trace: Trace, ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Lower np.split and np.array_split along an axis of known size."""
    array = trace.array_of(ary)
    if isinstance(array.shape[axis], Size):
        trace.refuse(f"a split along {array.shape[axis].axis}", construct="np.split")
    if trace.holds_traced(indices_or_sections):
        trace.refuse("a split by numbers from the data", construct="np.split")
    bounds = np.array_split(np.arange(array.shape[axis]), indices_or_sections)
    at = normalize_axis_index(axis, array.ndim)
    return [array[(*[slice(None)] * at, slice(int(one[0]), int(one[-1]) + 1))] for one in bounds if len(one)]


def lower_unstack(trace: Trace, x: Any, *, axis: int = 0) -> tuple[Any, ...]:
    """Lower np.unstack."""
    array = np.moveaxis(trace.array_of(x), axis, 0)
    return tuple(array)


def lower_append(trace: Trace, arr: Any, values: Any, axis: int | None = None) -> Any:
    """Lower np.append."""
    arrays = [trace.array_of(arr), trace.array_of(values)]
    if axis is None:
        arrays, axis = [np.ravel(one) for one in arrays], 0
    return np.concatenate(arrays, axis)


def lower_delete(trace: Trace, arr: Any, obj: Any, axis: int | None = None) -> Any:
    """Lower np.delete at known positions."""
    array = trace.array_of(arr)
    if axis is None:
        array, axis = np.ravel(array), 0
    if trace.holds_traced(obj) or isinstance(array.shape[axis], Size):
        trace.refuse("deleting rows, or at positions from the data", construct="np.delete", hint="mask with np.where")
    return np.take(array, np.delete(np.arange(array.shape[axis]), shadow_of(obj, 0)), axis)


def lower_insert(trace: Trace, arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """Lower np.insert at one known position."""
    array = trace.array_of(arr)
    if axis is None:
        array, axis = np.ravel(array), 0
    axis = normalize_axis_index(axis, array.ndim)
    if not isinstance(obj, int) or isinstance(array.shape[axis], Size):
        trace.refuse("inserting rows, or at several positions", construct="np.insert", hint="use np.concatenate")
    at = obj + array.shape[axis] if obj < 0 else obj
    cut = [slice(None)] * axis
    new = trace.array_of(values, array.dtype)
    shape = (*array.shape[:axis], 1 if new.ndim < array.ndim else new.shape[axis], *array.shape[axis + 1 :])
    if new.ndim == array.ndim - 1:
        new = np.expand_dims(new, axis)
    new = np.broadcast_to(new, shape).astype(array.dtype)
    return np.concatenate([array[(*cut, slice(0, at))], new, array[(*cut, slice(at, None))]], axis)


def lower_copyto(trace: Trace, dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Lower np.copyto."""
    dst[...] = src if where is True else np.where(where, src, dst).astype(dst.dtype)


def lower_putmask(trace: Trace, a: Any, mask: Any, values: Any) -> None:
    """Lower np.putmask, and np.place of one value: an array is the source of as many, and is not begun anew."""
    if np.ndim(values) and np.shape(values) != np.shape(a):
        trace.refuse("values that are repeated", construct="np.putmask", hint="a[mask] = value, or np.where")
    a[...] = np.where(mask, values, a).astype(a.dtype)


RULES: dict[Any, Rule] = {
    np.array: Rule(lower_array),
    np.asarray: Rule(lower_asarray),
    np.asanyarray: Rule(lower_asarray),
    np.ascontiguousarray: Rule(lower_asarray),
    np.asfortranarray: Rule(lower_asarray),
    np.asarray_chkfinite: Rule(
        lambda trace, *a, **k: trace.refuse("an error on values", construct="asarray_chkfinite")
    ),
    np.copy: Rule(lower_copy),
    np.zeros: Rule(_filled(np.zeros, 0), is_special=True),
    np.ones: Rule(_filled(np.ones, 1), is_special=True),
    np.empty: Rule(_filled(np.empty, None), is_special=True, is_always=True),
    np.full: Rule(lower_full, is_special=True),
    np.zeros_like: Rule(_filled_like(0), is_special=True),
    np.ones_like: Rule(_filled_like(1), is_special=True),
    np.empty_like: Rule(_filled_like(None), is_special=True, is_always=True),
    np.full_like: Rule(lower_full_like, is_special=True),
    np.arange: Rule(lower_arange, is_special=True),
    np.concatenate: Rule(lower_concatenate),
    np.concat: Rule(lower_concatenate),
    np.stack: Rule(lower_stack),
    np.vstack: Rule(_stacked(np.atleast_2d, lambda rank: 0)),
    np.hstack: Rule(_stacked(np.atleast_1d, lambda rank: 0 if rank == 1 else 1)),
    np.dstack: Rule(_stacked(np.atleast_3d, lambda rank: 2)),
    np.column_stack: Rule(_stacked(_as_column, lambda rank: 1)),
    np.split: Rule(lower_split),
    np.array_split: Rule(lower_split),
    np.hsplit: Rule(lambda trace, a, n: lower_split(trace, a, n, 0 if trace.array_of(a).ndim == 1 else 1)),
    np.vsplit: Rule(lambda trace, a, n: lower_split(trace, a, n, 0)),
    np.dsplit: Rule(lambda trace, a, n: lower_split(trace, a, n, 2)),
    np.unstack: Rule(lower_unstack),
    np.append: Rule(lower_append),
    np.delete: Rule(lower_delete),
    np.insert: Rule(lower_insert),
    np.copyto: Rule(lower_copyto, is_special=True),
    np.putmask: Rule(lower_putmask, is_special=True),
}
