"""Products, norms, and sums along a grid: matmul, dot, einsum, norm, gradient, trapezoid, convolve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from hyrax_pack.lowering.graph.building import Dim, broadcast_shape
from hyrax_pack.lowering.graph.exactness import mark_inexact
from hyrax_pack.lowering.operations.casting import cast
from hyrax_pack.lowering.operations.products import einsum
from hyrax_pack.lowering.tracing.numbers import Size
from hyrax_pack.lowering.tracing.rule import Rule
from hyrax_pack.lowering.tracing.shadows import on_shadows

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

_LONGEST_KERNEL = 129


def lower_dot(trace: Trace, a: Any, b: Any) -> Any:
    """Lower np.dot."""
    left, right = trace.array_of(a), trace.array_of(b)
    if left.ndim == 0 or right.ndim == 0:
        return np.multiply(left, right)
    if right.ndim <= 2:
        return np.matmul(left, right)
    return np.tensordot(left, right, axes=((left.ndim - 1,), (right.ndim - 2,)))


def lower_inner(trace: Trace, a: Any, b: Any) -> Any:
    """Lower np.inner."""
    left, right = trace.array_of(a), trace.array_of(b)
    if left.ndim == 0 or right.ndim == 0:
        return np.multiply(left, right)
    return np.tensordot(left, right, axes=((left.ndim - 1,), (right.ndim - 1,)))


def lower_outer(trace: Trace, a: Any, b: Any) -> Any:
    """Lower np.outer."""
    left, right = np.ravel(trace.array_of(a)), np.ravel(trace.array_of(b))
    return np.multiply(left[:, None], right[None, :])


def lower_tensordot(trace: Trace, a: Any, b: Any, axes: Any = 2) -> Any:
    """Lower np.tensordot by one matrix product."""
    left, right = trace.array_of(a), trace.array_of(b)
    if isinstance(axes, int):
        pairs = (tuple(range(left.ndim - axes, left.ndim)), tuple(range(axes)))
    else:
        pairs = tuple((one,) if isinstance(one, int) else tuple(one) for one in axes)  # type: ignore[assignment]
    on_left, on_right = (normalize_axis_tuple(one, x.ndim) for one, x in zip(pairs, (left, right), strict=True))
    kept_left = [at for at in range(left.ndim) if at not in on_left]
    kept_right = [at for at in range(right.ndim) if at not in on_right]
    shared: Any = 1
    for at in on_right:
        shared = right.shape[at] * shared
    shape = (*(left.shape[at] for at in kept_left), *(right.shape[at] for at in kept_right))
    first = np.reshape(np.transpose(left, (*kept_left, *on_left)), (-1, shared))
    second = np.reshape(np.transpose(right, (*on_right, *kept_right)), (shared, -1))
    return np.reshape(np.matmul(first, second), shape)


def lower_einsum(trace: Trace, subscripts: Any, *operands: Any, optimize: Any = False, **options: Any) -> Any:
    """Lower np.einsum with letters and an arrow."""
    if not isinstance(subscripts, str) or "..." in subscripts or options:
        trace.refuse("this form of einsum", construct="np.einsum", hint='use letters, such as "nij,jk->nik"')
    arrays = [trace.array_of(one) for one in operands]
    real = on_shadows(np.einsum, [subscripts, *arrays])
    equation = subscripts.replace(" ", "")
    if "->" not in equation:
        letters = equation.replace(",", "")
        equation += "->" + "".join(sorted(one for one in set(letters) if letters.count(one) == 1))
    if any(len(set(term)) != len(term) for term in equation.replace("->", ",").split(",")):
        trace.refuse("a letter twice in one term of einsum", construct="np.einsum", hint="use np.diagonal")
    dtype = np.asarray(real[0]).dtype
    terms, result = equation.split("->")
    dims: dict[str, Dim] = {}
    for one, term in zip(arrays, terms.split(","), strict=True):
        for letter, dim in zip(term, one.value.shape, strict=True):
            dims[letter] = broadcast_shape([(dims.get(letter, 1),), (dim,)])[0]
    shape = tuple(dims[letter] for letter in result)
    return einsum(trace.graph, equation, [cast(trace.graph, one.value, dtype) for one in arrays], shape)


def lower_norm(trace: Trace, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Lower np.linalg.norm: lengths, sums and extremes of magnitudes."""
    array = trace.array_of(x)
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    if axis is None and (ord is None or (ord == 2 and array.ndim == 1)):
        length = np.sqrt(np.dot(np.ravel(array), np.ravel(array)))
        return np.reshape(length, (1,) * array.ndim) if keepdims else length
    axes = tuple(range(array.ndim)) if axis is None else normalize_axis_tuple(axis, array.ndim)
    if ord is None or (ord == 2 and len(axes) == 1) or (ord == "fro" and len(axes) == 2):
        return np.sqrt(np.sum(array * array, axis=axes, keepdims=keepdims))
    if len(axes) == 1 and ord in (1, np.inf, -np.inf):
        size = np.abs(array)
        reduce: Any = {1: np.sum, np.inf: np.max, -np.inf: np.min}[ord]
        return reduce(size, axis=axes, keepdims=keepdims)
    return trace.refuse(
        "this norm", construct=f"np.linalg.norm(ord={ord!r})", hint="use 1, 2 or infinity along one axis"
    )


def lower_trace(trace: Trace, a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Lower np.trace."""
    return np.sum(np.diagonal(trace.array_of(a), offset, axis1, axis2), axis=-1)


def lower_trapezoid(trace: Trace, y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Lower np.trapezoid."""
    heights = trace.array_of(y)
    at = normalize_axis_index(axis, heights.ndim)
    if x is None:
        width = dx
    else:
        points = trace.array_of(x)
        width = np.diff(points, axis=-1 if points.ndim == 1 else at)
        if points.ndim == 1:
            width = np.reshape(width, (*[1] * at, -1, *[1] * (heights.ndim - at - 1)))
    cut = [slice(None)] * at
    pairs = heights[(*cut, slice(1, None))] + heights[(*cut, slice(None, -1))]
    return np.sum(width * pairs / 2.0, axis=at)


def lower_gradient(trace: Trace, f: Any, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Lower np.gradient for even spacing and plain edges."""
    array = trace.array_of(f)
    steps = spacing or (1.0,)
    if edge_order != 1 or any(np.ndim(step) for step in steps) or trace.holds_traced(steps):
        trace.refuse("uneven spacing", construct="np.gradient", hint="give one number as spacing")
    axes = range(array.ndim) if axis is None else normalize_axis_tuple(axis, array.ndim)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    widths = steps if len(steps) == len(axes) else steps * len(axes)
    made = [_slope(trace, array, at, step) for at, step in zip(axes, widths, strict=True)]
    return made[0] if (axis is not None and np.ndim(axis) == 0) or array.ndim == 1 else tuple(made)


def _slope(trace: Trace, array: Any, axis: int, step: Any) -> Any:
    if isinstance(array.shape[axis], Size):
        trace.refuse(f"a slope along {array.shape[axis].axis}", construct="np.gradient", hint="name the axis: axis=1")
    cut = [slice(None)] * axis

    def part(start: int | None, stop: int | None) -> Any:
        return array[(*cut, slice(start, stop))]

    inner = (part(2, None) - part(None, -2)) / (2.0 * step)
    first = (part(1, 2) - part(0, 1)) / step
    last = (part(-1, None) - part(-2, -1)) / step
    return np.concatenate([first, inner, last] if array.shape[axis] > 2 else [first, last], axis)


def lower_convolve(trace: Trace, a: Any, v: Any, mode: str = "full") -> Any:
    """Lower np.convolve in one dimension with a kernel that is known."""
    signal, kernel = trace.array_of(a), trace.array_of(v)
    if signal.is_known:
        signal, kernel = kernel, signal
    if not kernel.is_known or signal.ndim != 1 or isinstance(signal.shape[0], Size):
        trace.refuse("a kernel from the data, or rows as the signal", construct="np.convolve")
    weights = np.asarray(kernel.shadows[0])
    size, taps = int(signal.shape[0]), len(weights)
    if taps > min(_LONGEST_KERNEL, size):
        trace.refuse(f"a kernel of {taps} entries", construct="np.convolve", hint="use a shorter one")
    dtype = np.result_type(signal.dtype, weights.dtype)
    padded = np.pad(signal.astype(dtype), taps - 1)
    made = sum(
        (padded[taps - 1 - at : 2 * taps - 2 - at + size] * dtype.type(weights[at]) for at in range(1, taps)),
        padded[taps - 1 : 2 * taps - 2 + size] * dtype.type(weights[0]),
    )
    mark_inexact(trace.graph, made.value)  # numpy adds up in another order
    return _middle(made, size, taps, mode)


def lower_correlate(trace: Trace, a: Any, v: Any, mode: str = "valid") -> Any:
    """Lower np.correlate in one dimension with a kernel that is known: it is turned round, and no shorter signal."""
    kernel = trace.array_of(v)
    if not kernel.is_known:
        trace.refuse("a kernel from the data", construct="np.correlate")
    return lower_convolve(trace, a, np.asarray(kernel.shadows[0])[::-1], mode)


def _middle(full: Any, size: int, taps: int, mode: str) -> Any:
    if mode == "same":
        start = (taps - 1) // 2
        return full[start : start + size]
    return full[taps - 1 : size] if mode == "valid" else full


def lower_cross(trace: Trace, a: Any, b: Any, axis: int = -1) -> Any:
    """Lower np.cross of vectors of three along the last axis."""
    left, right = trace.array_of(a), trace.array_of(b)
    if axis != -1 or left.shape[-1] != 3 or right.shape[-1] != 3:
        trace.refuse("vectors of other than three entries along the last axis", construct="np.cross")
    x, y = ([one[..., at] for at in range(3)] for one in (left, right))
    parts = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]
    return np.stack(parts, axis=-1)


def lower_sinc(trace: Trace, x: Any) -> Any:
    """Lower np.sinc."""
    array = trace.array_of(x)
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    turned = array * np.pi
    turned = np.where(turned, turned, np.finfo(turned.dtype).eps)
    return np.sin(turned) / turned


def lower_polyval(trace: Trace, p: Any, x: Any) -> Any:
    """Lower np.polyval."""
    coefficients, points = trace.array_of(p), trace.array_of(x)
    if isinstance(coefficients.shape[0], Size):
        trace.refuse("one coefficient per row", construct="np.polyval")
    made = np.zeros_like(points)
    for at in range(coefficients.shape[0]):
        made = made * points + coefficients[at]
    return made


def lower_unwrap(trace: Trace, p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """Lower np.unwrap: numpy's own steps."""
    array = trace.array_of(p)
    if trace.holds_traced(discont, period):
        trace.refuse("a period that depends on the data", construct="np.unwrap", hint="use a plain number")
    axis = normalize_axis_index(axis, array.ndim)
    steps = np.diff(array, axis=axis)
    dtype = np.result_type(steps.shadows[0], period)
    half, rest = divmod(period, 2) if dtype.kind in "iu" else (period / 2, 0)
    wrapped = np.remainder(steps + half, period) - half
    if rest == 0:
        wrapped = np.where(np.equal(wrapped, -half) & np.greater(steps, 0), wrapped.dtype.type(half), wrapped)
    correction = wrapped - steps
    correction = np.where(
        np.less(abs(steps), half if discont is None else discont), correction.dtype.type(0), correction
    )
    cut = [slice(None)] * axis
    first, others = array[(*cut, slice(0, 1))], array[(*cut, slice(1, None))]
    return np.concatenate([first.astype(dtype), (others + np.cumsum(correction, axis=axis)).astype(dtype)], axis)


RULES: dict[Any, Rule] = {
    np.dot: Rule(lower_dot),
    np.vdot: Rule(lambda trace, a, b: np.dot(np.ravel(trace.array_of(a)), np.ravel(trace.array_of(b)))),
    np.inner: Rule(lower_inner),
    np.outer: Rule(lower_outer),
    np.tensordot: Rule(lower_tensordot),
    np.einsum: Rule(lower_einsum),
    np.linalg.norm: Rule(lower_norm),
    np.trace: Rule(lower_trace),
    np.trapezoid: Rule(lower_trapezoid),
    np.gradient: Rule(lower_gradient),
    np.unwrap: Rule(lower_unwrap, edges={0: "np.unwrap"}),
    np.convolve: Rule(lower_convolve),
    np.correlate: Rule(lower_correlate),
    np.cross: Rule(lower_cross),
    np.sinc: Rule(lower_sinc),
    np.polyval: Rule(lower_polyval),
}
