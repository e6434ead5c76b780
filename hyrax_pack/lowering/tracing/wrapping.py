"""From a rule's result to something traced: numpy's own results decide dtype and shape, the rule gives the value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.lowering.graph.building import Value
from hyrax_pack.lowering.operations.casting import cast
from hyrax_pack.lowering.tracing.arrays import Traced, TracedArray, TracedScalar
from hyrax_pack.lowering.tracing.numbers import TracedNumber
from hyrax_pack.lowering.tracing.shadows import Shadowed, quietly, shadow_of
from hyrax_pack.lowering.tracing.views import View

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

_LOOSE = 1e-3


def adopt(trace: Trace, real: tuple[Any, Any], made: Any, operands: Sequence[Shadowed]) -> Any:
    """Give what a rule made the shadows that numpy gave, after checking that the two agree.

    `made` is a Value, a View, or what a composition of numpy functions returned.
    """
    first, second = real
    if isinstance(first, tuple | list):
        parts = [adopt(trace, (a, b), part, operands) for a, b, part in zip(first, second, made, strict=True)]
        return _as(type(first), parts)
    for operand in operands:
        if isinstance(operand, TracedArray) and operand.shadows[0] is first:
            return operand
    if isinstance(made, Shadowed):
        return _adopt_composition(trace, real, made, operands)
    if isinstance(made, View):
        return _adopt_view(trace, real, made, operands)
    if isinstance(made, Value):
        return wrap(trace, real, made, operands)
    if isinstance(first, np.ndarray | np.generic):
        return wrap(trace, real, trace.graph.constant(np.asarray(made, dtype=first.dtype)), operands)
    return made


def wrap(trace: Trace, real: tuple[Any, Any], value: Value, operands: Sequence[Shadowed] = ()) -> Any:
    """Return the array, scalar or number that a value stands for."""
    first = real[0]
    if isinstance(first, bool | int | float) and not isinstance(first, np.generic):
        return TracedNumber(trace, real, cast(trace.graph, value, type(first)))
    value = _fitted(trace, real, value)
    if isinstance(first, np.ndarray):
        array = TracedArray(trace, real, value)
        _lock_if_shared(array, operands)
        return array
    return TracedScalar(trace, real, value)


def known(trace: Trace, result: Any) -> Any:
    """Return a real result of numpy as the user's code may hold it: arrays become known arrays."""
    if isinstance(result, np.ndarray) and result.dtype.kind in "biuf":
        return TracedArray(trace, (result, result.copy()), None)
    if isinstance(result, list | tuple) and any(isinstance(part, np.ndarray) for part in result):
        return _as(type(result), [known(trace, part) for part in result])
    return result


def known_pair(trace: Trace, real: tuple[Any, Any], operands: Sequence[Shadowed]) -> Any:
    """Return a result that numpy gave for known arrays; None where it is a view of one of them."""
    first, second = real
    if isinstance(first, tuple | list):
        parts = [known_pair(trace, pair, operands) for pair in zip(first, second, strict=True)]
        return None if any(part is None for part in parts) else _as(type(first), parts)
    if not isinstance(first, np.ndarray) or first.dtype.kind not in "biuf":
        return first
    for operand in operands:
        if isinstance(operand, TracedArray):
            if operand.shadows[0] is first:
                return operand
            if np.may_share_memory(operand.shadows[0], first):
                return None
    return TracedArray(trace, (first, second), None)


def known_attribute(trace: Trace, array: Traced, name: str) -> Any:
    """Return an attribute of a known array; methods give known results."""
    attribute = getattr(array.shadows[0], name)
    if not callable(attribute):
        return known(trace, attribute)

    def call(*args: Any, **kwargs: Any) -> Any:
        if trace.holds_traced(list(args), kwargs):
            trace.refuse("this with values from the data", construct=f".{name}()", hint="use np.where or indexing")
        pair = [
            quietly(getattr(array.shadows[at], name), shadow_of(list(args), at), shadow_of(kwargs, at)) for at in (0, 1)
        ]
        made = known_pair(trace, (pair[0], pair[1]), [array])
        if made is None and pair[0] is not None:
            trace.refuse("a view made in a way that is not followed", construct=f".{name}()", hint="use .copy()")
        return made

    return call


def _adopt_composition(trace: Trace, real: tuple[Any, Any], made: Shadowed, operands: Sequence[Shadowed]) -> Any:
    for at in (0, 1):
        if not _agree(real[at], made.shadow(at)):
            trace.refuse("numpy does something else here than it does for plain arrays, and that is not followed")
    if isinstance(made, TracedArray) and made.view_of is not None and np.may_share_memory(made.shadows[0], real[0]):
        return made
    if isinstance(made, Traced | TracedNumber):
        return wrap(trace, real, made.value, operands)
    return made


def _adopt_view(trace: Trace, real: tuple[Any, Any], view: View, operands: Sequence[Shadowed]) -> Any:
    if not isinstance(real[0], np.ndarray) or not np.may_share_memory(real[0], view.base.shadows[0]):
        if view.base.is_known:
            return known(trace, real[0]) if isinstance(real[0], np.ndarray) else real[0]
        return wrap(trace, real, view.read(view.base.value), operands)
    if view.base.is_known:
        return TracedArray(trace, real, None, view)
    return TracedArray(trace, real, _fitted(trace, real, view.read(view.base.value)), view)


def _fitted(trace: Trace, real: tuple[Any, Any], value: Value) -> Value:
    """Cast a value to numpy's dtype and check its shape against both batches."""
    first, second = real
    if first.dtype.kind not in "biuf" or first.dtype.itemsize > 8:
        trace.refuse(
            f"values of dtype {first.dtype}", hint="graphs hold integers, truth values and floats up to 64 bits"
        )
    shapes = list(zip(first.shape, second.shape, strict=True)) if first.ndim == second.ndim else None
    if shapes is None or value.rank != len(shapes):
        trace.refuse("the number of dimensions depends on the data")
    value = cast(trace.graph, value, first.dtype)
    for pair, dim in zip(shapes, value.shape, strict=True):
        if isinstance(dim, int) and pair != (dim, dim):
            trace.refuse(f"a dimension of {pair[0]} or {pair[1]}, by how the rows are, comes out as {dim}")
    return value


def _lock_if_shared(array: TracedArray, operands: Sequence[Shadowed]) -> None:
    """Forbid writing where memory is shared in a way that no view describes."""
    for operand in operands:
        if isinstance(operand, TracedArray) and np.may_share_memory(operand.shadows[0], array.shadows[0]):
            operand.root.is_locked = array.is_locked = True


def _as(kind: type, parts: list[Any]) -> Any:
    """Return parts as the list, the tuple or the named tuple (of np.linalg.svd, say) that numpy gave."""
    return kind._make(parts) if hasattr(kind, "_make") else kind(parts)


def _agree(real: Any, made: Any) -> bool:
    if np.shape(real) != np.shape(made):
        return False
    if isinstance(real, bool | int | float | np.generic | np.ndarray):
        with np.errstate(all="ignore"):
            return bool(np.allclose(np.asarray(real), np.asarray(made), rtol=_LOOSE, atol=_LOOSE, equal_nan=True))
    return True
