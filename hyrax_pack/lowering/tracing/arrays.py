"""What stands for numpy's arrays and scalars.

Whatever would take a value out of the trace (bool, float, int, an index, text, a real array) is either answered by the
graph or refused, with the line. An array made of constants alone is *known*: it answers everything as numpy does, until
a traced value is written into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from hyrax_pack.lowering.graph.building import Dim, DType, Value
from hyrax_pack.lowering.operations.reducing import dimension
from hyrax_pack.lowering.tracing.leaving import Leaving
from hyrax_pack.lowering.tracing.numbers import Size
from hyrax_pack.lowering.tracing.shadows import stands_for
from hyrax_pack.lowering.tracing.views import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyrax_pack.lowering.tracing.trace import Trace

# ndarray's methods that are numpy's functions of another (or the same) name.
_SAME_NAME = (
    np.all, np.any, np.argmax, np.argmin, np.argsort, np.compress, np.copy, np.cumprod, np.cumsum, np.diagonal,
    np.dot, np.max, np.mean, np.min, np.nonzero, np.prod, np.ravel, np.repeat, np.round, np.searchsorted, np.squeeze,
    np.std, np.sum, np.swapaxes, np.take, np.trace, np.var,
)  # fmt: skip
_METHODS: dict[str, Any] = {function.__name__: function for function in _SAME_NAME} | {
    "conj": np.conjugate,
    "conjugate": np.conjugate,
}


class Traced(Leaving, NDArrayOperatorsMixin):
    """An array or scalar of numpy that depends on the data; see TracedArray and TracedScalar."""

    def shadow(self, which: int) -> Any:
        """Return numpy's own result for one batch."""
        return self.shadows[which]

    @property
    def dtype(self) -> DType:
        """As numpy has it."""
        dtype: DType = self.shadows[0].dtype
        return dtype

    @property
    def ndim(self) -> int:
        """As numpy has it."""
        return int(self.shadows[0].ndim)

    @property
    def itemsize(self) -> int:
        """As numpy has it."""
        return self.dtype.itemsize

    @property
    def shape(self) -> tuple[Any, ...]:
        """Numbers, and Size where a dimension is known only when the graph runs."""
        if self.is_known:
            return tuple(self.shadows[0].shape)
        return tuple(self._dim(axis, dim) for axis, dim in enumerate(self.value.shape))

    @property
    def size(self) -> Any:
        """As numpy has it."""
        total: Any = 1
        for dim in self.shape:
            total = dim * total
        return total

    @property
    def T(self) -> Any:  # noqa: N802  numpy's name
        """The transpose."""
        return np.transpose(self)

    @property
    def real(self) -> Any:
        """The array itself: complex numbers are not traced."""
        return self

    def _dim(self, axis: int, dim: Dim) -> int | Size:
        if isinstance(dim, int):
            return dim
        pair = (self.shadows[0].shape[axis], self.shadows[1].shape[axis])
        return Size(self.tracer, pair, dimension(self.tracer.graph, self.value, axis))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self.tracer.call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.tracer.call_numpy(function, args, kwargs)

    def __copy__(self) -> Any:
        return np.copy(self)

    def __deepcopy__(self, memo: Any) -> Any:
        return np.copy(self)

    def __round__(self, places: int | None = None) -> Any:
        if places is None:
            self.__int__()
        return np.round(self, places or 0)

    def __pow__(self, exponent: Any) -> Any:
        return self.tracer.power(self, exponent)

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        """Convert as numpy does."""
        return self.tracer.convert(self, np.dtype(dtype), casting=casting, copy=copy)

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        """Give the array another shape."""
        wanted = shape[0] if len(shape) == 1 else shape
        return self.tracer.call_numpy(np.reshape, (self, wanted), {"order": order})

    def transpose(self, *axes: Any) -> Any:
        """Reorder the axes."""
        order = axes[0] if len(axes) == 1 else (axes or None)
        return self.tracer.call_numpy(np.transpose, (self, order), {})

    def flatten(self, order: str = "C") -> Any:
        """Return a copy in one dimension."""
        return self.tracer.call_numpy(np.copy, (self.tracer.call_numpy(np.ravel, (self, order), {}),), {})

    def item(self, *where: Any) -> Any:
        """Return a Python number, which stays traced."""
        return self.tracer.python_number(self[where] if where else self, "item()")

    def tolist(self) -> Any:
        """Refuse, unless the values are known: lists of numbers leave the trace."""
        if not self.is_known:
            self.tracer.refuse(
                "values from the data are turned into a list", construct=".tolist()", hint="keep them in an array"
            )
        return self.shadows[0].tolist()

    def clip(self, min: Any = None, max: Any = None, **options: Any) -> Any:
        """As ndarray.clip, which takes one bound alone."""
        return self.tracer.call_numpy(np.clip, (self, min, max), options)

    def __getattr__(self, name: str) -> Any:
        if name in _METHODS:
            function = _METHODS[name]
            return lambda *args, **kwargs: self.tracer.call_numpy(function, (self, *args), kwargs)
        if name.startswith("__") or not hasattr(self.shadows[0], name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if not self.is_known:
            self.tracer.refuse(
                f"ndarray.{name} does not lower", construct=f".{name}", hint="see docs/lowering.md for what does"
            )
        return self.tracer.known_attribute(self, name)

    def __getitem__(self, key: Any) -> Any:
        return self.tracer.read_item(self, key)


@stands_for("numpy.generic")
class TracedScalar(Traced):
    """A numpy scalar: it cannot be changed in place, so `x += 1` makes another."""

    def __init__(self, trace: Trace, shadows: tuple[Any, Any], value: Value) -> None:
        self.tracer = trace
        self.shadows = shadows
        self._value = value

    @property
    def value(self) -> Value:
        """What stands for it in the graph."""
        return self._value

    def _not_in_place(self, other: Any) -> Any:
        return NotImplemented

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ifloordiv__ = __imod__ = __ipow__ = _not_in_place
    __iand__ = __ior__ = __ixor__ = __ilshift__ = __irshift__ = __imatmul__ = _not_in_place


@stands_for("numpy.ndarray")
class TracedArray(Traced):
    """An array. It may be a view of another (`view`), and the root of views (`writes` counts writes to it)."""

    def __init__(
        self,
        trace: Trace,
        shadows: tuple[Any, Any],
        value: Value | None,
        view: View | None = None,
    ) -> None:
        self.tracer = trace
        self.shadows = shadows
        self.view_of = view
        self.born = trace.clock
        self.writes = 0
        self.is_locked = False
        self._known = value is None and view is None
        self._value = value
        self._seen = self.root.writes if value is not None else -1

    @property
    def root(self) -> TracedArray:
        """The array that owns the memory."""
        array = self
        while array.view_of is not None:
            array = array.view_of.base
        return array

    @property
    def is_known(self) -> bool:
        """Whether it is made of constants alone."""
        return self.root._known

    @property
    def is_of_one_row(self) -> bool:
        """Whether it shows a part of its root that belongs to one row."""
        array = self
        while array.view_of is not None:
            if array.view_of.is_row:
                return True
            array = array.view_of.base
        return False

    @property
    def value(self) -> Value:
        """What stands for it in the graph, read again from the root if that was written since."""
        if self.is_known:
            return self.tracer.graph.constant(self.shadows[0])
        if self.view_of is not None and self._seen != self.root.writes:
            self._value = self.view_of.read(self.view_of.base.value)
            self._seen = self.root.writes
        assert self._value is not None
        return self._value

    def overwrite(self, value: Value) -> None:
        """Take another value, here and in everything that shares the memory. Shadows are written by the caller.

        Call `hold` before the shadows are written.
        """
        if self.view_of is None:
            self.writes += 1
        else:
            base = self.view_of.base
            base.overwrite(self.view_of.write(base.value, value))
        self._value = value
        self._seen = self.root.writes

    def hold(self) -> None:
        """Read the values up to the root before the shadows change, and stop being known."""
        values = []
        array: TracedArray | None = self
        while array is not None:
            values.append((array, array.value))
            array = array.view_of.base if array.view_of is not None else None
        self.root._known = False
        for one, value in values:
            one._value = value
            one._seen = self.root.writes

    def __setitem__(self, key: Any, new: Any) -> None:
        self.tracer.write_item(self, key, new)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return self.tracer.walk(self)

    def __len__(self) -> int:
        length = self.shape[0]
        if not isinstance(length, int) and self.tracer.mode == "batch":
            self.tracer.refuse(
                "the length of an array is asked for where only a plain number can stand", construct="len()"
            )
        return len(self.shadows[0])  # asked by list() and its like, as a hint

    def __contains__(self, item: Any) -> bool:
        return bool(np.any(self == item))

    def fill(self, number: Any) -> None:
        """Write one value everywhere."""
        self[...] = number

    def sort(self, axis: int = -1, kind: str | None = None, order: Any = None) -> None:
        """Sort in place."""
        self[...] = self.tracer.call_numpy(np.sort, (self,), {"axis": axis, "kind": kind})

    def view(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the same bits under another dtype."""
        self.tracer.refuse("ndarray.view does not lower", construct=".view()", hint="use .astype() or .copy()")
