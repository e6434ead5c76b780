"""What stands for a complex array: its real and imaginary part, as far as spectra need it.

Graphs hold no complex numbers. Moving values around is done to both parts, and `abs`, `angle`, sums and products are
written out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from hyrax_pack.lowering.tracing.shadows import Shadowed, stands_for

if TYPE_CHECKING:
    from hyrax_pack.lowering.tracing.trace import Trace

# What moves values and computes none, by the name of the method.
_MOVING = frozenset(
    {
        "copy", "diagonal", "flatten", "ravel", "repeat", "reshape", "squeeze", "swapaxes", "take", "transpose",
    }
)  # fmt: skip


@stands_for("numpy.ndarray")
class TracedComplex(NDArrayOperatorsMixin, Shadowed):
    """A complex array that depends on the data."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, trace: Trace, real: Any, imag: Any) -> None:
        self.tracer = trace
        self.real = real
        self.imag = imag

    def shadow(self, which: int) -> Any:
        """Return numpy's own complex result for one batch."""
        return self.real.shadow(which) + 1j * self.imag.shadow(which)

    @property
    def dtype(self) -> Any:
        """As numpy has it."""
        return np.dtype(np.complex64 if self.real.dtype == np.float32 else np.complex128)

    @property
    def shape(self) -> Any:
        """As numpy has it."""
        return self.real.shape

    @property
    def ndim(self) -> int:
        """As numpy has it."""
        return int(self.real.ndim)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc is np.power and method == "__call__" and not kwargs:
            return _power(self._complex(inputs[0]), inputs[1])
        formula = _FORMULAS.get(ufunc)
        if formula is None or method != "__call__" or kwargs:
            self.tracer.refuse("this on complex numbers", construct=f"np.{ufunc.__name__}", hint="use np.abs of it")
        return formula(*map(self._complex, inputs))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.tracer.call_numpy(function, args, kwargs)

    def apply(self, function: Any, args: Any, kwargs: Any) -> Any:
        """Carry out one of numpy's functions, as far as it has a meaning for both parts."""
        if function is np.real:
            return self.real
        if function is np.imag:
            return self.imag
        if function is np.angle and not kwargs and len(args) == 1:
            return np.arctan2(self.imag, self.real)
        if function in _PARTWISE:
            parts = [
                function(*(getattr(one, part) if one is self else one for one in args), **kwargs)
                for part in ("real", "imag")
            ]
            return TracedComplex(self.tracer, *parts)
        return self.tracer.refuse(
            "this on complex numbers", construct=f"np.{function.__name__}", hint="use np.abs of them"
        )

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        self.tracer.refuse("complex numbers from the data go where only a real array can", hint="use np.abs of them")

    def __len__(self) -> int:
        return len(self.real)

    def __iter__(self) -> Iterator[TracedComplex]:
        return (self[at] for at in self.tracer.steps_along(self.real))

    def _leave(self, *args: Any) -> NoReturn:
        self.tracer.refuse(
            "a complex number from the data is taken for a plain number, a truth or text", hint="use np.abs of it"
        )

    __bool__ = __complex__ = __float__ = __int__ = __index__ = __repr__ = __str__ = __format__ = _leave

    def __getitem__(self, key: Any) -> TracedComplex:
        return TracedComplex(self.tracer, self.real[key], self.imag[key])

    def conj(self) -> TracedComplex:
        """Return the conjugate."""
        return TracedComplex(self.tracer, self.real, -self.imag)

    def __getattr__(self, name: str) -> Any:
        if name in _MOVING:
            return lambda *args, **kwargs: TracedComplex(
                self.tracer, getattr(self.real, name)(*args, **kwargs), getattr(self.imag, name)(*args, **kwargs)
            )
        if name.startswith("__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self.tracer.refuse("this on complex numbers", construct=f".{name}", hint="use np.abs of them")

    def _complex(self, value: Any) -> TracedComplex:
        if isinstance(value, TracedComplex):
            return value
        if np.iscomplexobj(value):
            value = np.asarray(value)
            return TracedComplex(self.tracer, self.tracer.array_of(value.real), self.tracer.array_of(value.imag))
        real = value if isinstance(value, Shadowed) else self.tracer.array_of(np.asarray(value, self.real.dtype))
        return TracedComplex(self.tracer, real, np.zeros_like(real))


def _multiplied(x: TracedComplex, y: TracedComplex) -> TracedComplex:
    return TracedComplex(x.tracer, x.real * y.real - x.imag * y.imag, x.real * y.imag + x.imag * y.real)


def _divided(x: TracedComplex, y: TracedComplex) -> TracedComplex:
    """Divide by plain numbers as numpy divides complex ones: times the reciprocal."""
    imag, real = (np.asarray(part.shadows[0]) if part.is_known else None for part in (y.imag, y.real))
    if imag is None or real is None or imag.any() or not real.all():
        x.tracer.refuse("complex numbers over others", construct="/", hint="divide by a plain number, or use np.abs")
    scale = (1 / real).astype(real.dtype)
    return TracedComplex(x.tracer, (x.real + x.imag * 0) * scale, (x.imag - x.real * 0) * scale)


def _power(x: TracedComplex, exponent: Any) -> TracedComplex:
    if not (isinstance(exponent, int) and exponent == 2):
        x.tracer.refuse("a power of complex numbers", construct="**", hint="np.abs(x) ** 2")
    return _multiplied(x, x)


_FORMULAS: dict[np.ufunc, Callable[..., Any]] = {
    np.absolute: lambda x: np.hypot(x.real, x.imag),
    np.conjugate: lambda x: x.conj(),
    np.negative: lambda x: TracedComplex(x.tracer, -x.real, -x.imag),
    np.add: lambda x, y: TracedComplex(x.tracer, x.real + y.real, x.imag + y.imag),
    np.subtract: lambda x, y: TracedComplex(x.tracer, x.real - y.real, x.imag - y.imag),
    np.multiply: _multiplied,
    np.divide: _divided,
    np.square: lambda x: _multiplied(x, x),
}
_PARTWISE = frozenset(
    {
        np.fft.fftshift, np.fft.ifftshift, np.reshape, np.transpose, np.moveaxis, np.swapaxes, np.roll, np.flip,
        np.expand_dims, np.squeeze, np.ravel, np.take, np.repeat, np.copy,
    }
)  # fmt: skip
