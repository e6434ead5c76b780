"""numpy.fft: transforms along axes of known size, and the shift that puts zero frequency in the middle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from hyrax_pack.lowering.operations.casting import cast
from hyrax_pack.lowering.operations.fourier import scaled, transform
from hyrax_pack.lowering.tracing.complexes import TracedComplex
from hyrax_pack.lowering.tracing.numbers import Size
from hyrax_pack.lowering.tracing.rule import Rule
from hyrax_pack.lowering.tracing.shadows import on_shadows
from hyrax_pack.lowering.tracing.wrapping import wrap

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace


def _one_axis(*, inverse: bool, onesided: bool) -> Callable[..., Any]:
    """Return the rule of fft, ifft or rfft."""

    def rule(trace: Trace, a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
        return _transformed(trace, a, n, axis, norm, inverse=inverse, onesided=onesided)

    return rule


def _several_axes(*, inverse: bool, onesided: bool, default: tuple[int, ...] | None) -> Callable[..., Any]:
    """Return the rule of fft2, ifft2, rfft2 or fftn: one axis after the other, the last first."""

    def rule(trace: Trace, a: Any, s: Any = None, axes: Any = default, norm: Any = None) -> Any:
        rank = (a if isinstance(a, TracedComplex) else trace.array_of(a)).ndim
        chosen: Sequence[int] = range(rank) if axes is None else axes
        sizes = [None] * len(chosen) if s is None else list(s)
        for at, (axis, size) in enumerate(reversed(list(zip(chosen, sizes, strict=True)))):
            a = _transformed(trace, a, size, axis, norm, inverse=inverse, onesided=onesided and at == 0)
        return a

    return rule


def _transformed(trace: Trace, a: Any, n: Any, axis: int, norm: Any, *, inverse: bool, onesided: bool) -> TracedComplex:
    parts = [a.real, a.imag] if isinstance(a, TracedComplex) else [trace.array_of(a)]
    axis = normalize_axis_index(axis, parts[0].ndim)
    if isinstance(parts[0].shape[axis], Size):
        trace.refuse(f"a transform along {parts[0].shape[axis].axis}", construct="np.fft")
    if trace.holds_traced(n):
        trace.refuse("a transform of a length from the data", construct="np.fft")
    parts = [_sized(one, n, axis) for one in parts]
    function = np.fft.ifft if inverse else np.fft.rfft if onesided else np.fft.fft
    real = on_shadows(lambda *z: function(z[0] + 1j * z[1] if len(z) > 1 else z[0], axis=axis, norm=norm), parts)
    values = [one.value for one in parts]
    made = transform(
        trace.graph,
        values[0],
        values[1] if len(values) > 1 else None,
        axis,
        inverse=inverse,
        onesided=onesided,
    )
    factor = _factor(parts[0].shape[axis], norm, inverse=inverse)
    dtype = real[0].real.dtype
    wrapped = [
        wrap(
            trace,
            (getattr(real[0], part).astype(dtype), getattr(real[1], part).astype(dtype)),
            cast(trace.graph, scaled(trace.graph, value, factor), dtype),
        )
        for part, value in zip(("real", "imag"), made, strict=True)
    ]
    return TracedComplex(trace, *wrapped)


def _sized(array: Any, n: int | None, axis: int) -> Any:
    """Cut the axis to a length, or fill it up with zeros."""
    size = int(array.shape[axis])
    cut = [slice(None)] * axis
    if n is None or n == size:
        return array
    if n < size:
        return array[(*cut, slice(0, n))]
    return np.pad(array, [(0, n - size) if at == axis else (0, 0) for at in range(array.ndim)])


def _factor(size: int, norm: str | None, *, inverse: bool) -> float:
    """Return what numpy's normalisation multiplies by beyond what the operation does (1/n for the inverse)."""
    wanted = {None: inverse, "backward": inverse, "forward": not inverse, "ortho": None}[norm]
    factor = size**-0.5 if wanted is None else 1 / size if wanted else 1.0
    return factor * (size if inverse else 1)


def _shift(sign: int) -> Callable[..., Any]:
    """Return the rule of fftshift or ifftshift."""

    def rule(trace: Trace, x: Any, axes: Any = None) -> Any:
        array = trace.array_of(x)
        chosen = tuple(range(array.ndim)) if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
        for axis in chosen:
            if isinstance(array.shape[axis], Size):
                words = f"a shift along {array.shape[axis].axis}"
                trace.refuse(words, construct="np.fft.fftshift", hint="name the axes: axes=(1, 2)")
        half = [sign * (array.shape[axis] // 2) for axis in chosen]
        return np.roll(array, half, chosen)

    return rule


RULES: dict[Any, Rule] = {
    np.fft.fft: Rule(_one_axis(inverse=False, onesided=False), is_special=True),
    np.fft.ifft: Rule(_one_axis(inverse=True, onesided=False), is_special=True),
    np.fft.rfft: Rule(_one_axis(inverse=False, onesided=True), is_special=True),
    np.fft.fft2: Rule(_several_axes(inverse=False, onesided=False, default=(-2, -1)), is_special=True),
    np.fft.ifft2: Rule(_several_axes(inverse=True, onesided=False, default=(-2, -1)), is_special=True),
    np.fft.rfft2: Rule(_several_axes(inverse=False, onesided=True, default=(-2, -1)), is_special=True),
    np.fft.fftn: Rule(_several_axes(inverse=False, onesided=False, default=None), is_special=True),
    np.fft.fftshift: Rule(_shift(1)),
    np.fft.ifftshift: Rule(_shift(-1)),
}
