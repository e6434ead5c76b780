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
from hyrax_pack.lowering.tracing.numbers import Size
from hyrax_pack.lowering.tracing.shadows import Shadowed
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


class Traced(NDArrayOperatorsMixin, Shadowed):
    """An array or scalar of numpy that depends on the data; see TracedArray and TracedScalar."""

    trace: Trace
    shadows: tuple[Any, Any]

    def shadow(self, which: int) -> Any:
        """Return numpy's own result for one batch."""
        return self.shadows[which]

    @property
    def value(self) -> Value:
        """What stands for it in the graph."""
        raise NotImplementedError

    @property
    def is_known(self) -> bool:
        """Whether it is made of constants alone."""
        return False

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
        return Size(self.trace, pair, dimension(self.trace.graph, self.value, axis))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self.trace.call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.trace.call_numpy(function, args, kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray[Any, Any]:
        if not self.is_known:
            self.trace.refuse(
                "an array from the data goes where only a real array can",
                hint="use numpy functions that are listed in docs/lowering.md",
            )
        return np.array(self.shadows[0])

    def __bool__(self) -> bool:
        if self.is_known:
            return bool(self.shadows[0])
        if any(pair != (1, 1) for pair in zip(self.shadows[0].shape, self.shadows[1].shape, strict=True)):
            self.trace.refuse("the truth of an array of several elements", hint="use .any() or .all()")
        condition = self.trace.scalar_of(self)
        return self.trace.decide(condition, (bool(self.shadows[0]), bool(self.shadows[1])))

    def __hash__(self) -> int:
        if isinstance(self.shadows[0], np.ndarray):
            raise TypeError("unhashable type: 'numpy.ndarray'")
        self.trace.refuse(
            "a value from the data is looked up in a set or dict",
            hint="compare it: x in (a, b); or make the table an array and pick with an array: np.array(table)[indices]",
        )

    def __float__(self) -> float:
        if not self.is_known:
            self.trace.refuse("a value from the data is turned into a plain number", construct="float()")
        return float(self.shadows[0])

    def __int__(self) -> int:
        if not self.is_known:
            self.trace.refuse("a value from the data is turned into a plain number", construct="int()")
        return int(self.shadows[0])

    def __index__(self) -> int:
        if not self.is_known:
            self.trace.refuse(
                "a value from the data is used as an index, a count or a size",
                hint="make the table an array and pick with an array: np.array(table)[indices]",
            )
        return int(self.shadows[0].__index__())

    def __repr__(self) -> str:
        if not self.is_known:
            self.trace.refuse("a value from the data is turned into text", hint="leave out messages that show data")
        return repr(self.shadows[0])

    def __str__(self) -> str:
        return str(self.shadows[0]) if self.is_known else repr(self)

    def __format__(self, how: str) -> str:
        return format(self.shadows[0], how) if self.is_known else repr(self)

    def __copy__(self) -> Any:
        return np.copy(self)

    def __deepcopy__(self, memo: Any) -> Any:
        return np.copy(self)

    def __round__(self, places: int | None = None) -> Any:
        if places is None:
            self.__int__()
        return np.round(self, places or 0)

    def __pow__(self, exponent: Any) -> Any:
        return self.trace.power(self, exponent)

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        """Convert as numpy does."""
        return self.trace.convert(self, np.dtype(dtype), casting=casting, copy=copy)

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        """Give the array another shape."""
        wanted = shape[0] if len(shape) == 1 else shape
        return self.trace.call_numpy(np.reshape, (self, wanted), {"order": order})

    def transpose(self, *axes: Any) -> Any:
        """Reorder the axes."""
        order = axes[0] if len(axes) == 1 else (axes or None)
        return self.trace.call_numpy(np.transpose, (self, order), {})

    def flatten(self, order: str = "C") -> Any:
        """Return a copy in one dimension."""
        return self.trace.call_numpy(np.copy, (self.trace.call_numpy(np.ravel, (self, order), {}),), {})

    def item(self, *where: Any) -> Any:
        """Return a Python number, which stays traced."""
        return self.trace.python_number(self[where] if where else self, "item()")

    def tolist(self) -> Any:
        """Refuse, unless the values are known: lists of numbers leave the trace."""
        if not self.is_known:
            self.trace.refuse(
                "values from the data are turned into a list", construct=".tolist()", hint="keep them in an array"
            )
        return self.shadows[0].tolist()

    def clip(self, min: Any = None, max: Any = None, **options: Any) -> Any:
        """As ndarray.clip, which takes one bound alone."""
        return self.trace.call_numpy(np.clip, (self, min, max), options)

    def __getattr__(self, name: str) -> Any:
        if name in _METHODS:
            function = _METHODS[name]
            return lambda *args, **kwargs: self.trace.call_numpy(function, (self, *args), kwargs)
        if name.startswith("__") or not hasattr(self.shadows[0], name):
            raise AttributeError(name)
        if not self.is_known:
            self.trace.refuse(
                f"ndarray.{name} does not lower", construct=f".{name}", hint="see docs/lowering.md for what does"
            )
        return self.trace.known_attribute(self, name)

    def __getitem__(self, key: Any) -> Any:
        return self.trace.read_item(self, key)


class TracedScalar(Traced):
    """A numpy scalar: it cannot be changed in place, so `x += 1` makes another."""

    def __init__(self, trace: Trace, shadows: tuple[Any, Any], value: Value) -> None:
        self.trace = trace
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


class TracedArray(Traced):
    """An array. It may be a view of another (`view`), and the root of views (`writes` counts writes to it)."""

    def __init__(
        self,
        trace: Trace,
        shadows: tuple[Any, Any],
        value: Value | None,
        view: View | None = None,
    ) -> None:
        self.trace = trace
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
            return self.trace.graph.constant(self.shadows[0])
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
        self.trace.write_item(self, key, new)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return self.trace.walk(self)

    def __len__(self) -> int:
        length = self.shape[0]
        if not isinstance(length, int) and self.trace.mode == "batch":
            self.trace.refuse(
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
        self[...] = self.trace.call_numpy(np.sort, (self,), {"axis": axis, "kind": kind})

    def view(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the same bits under another dtype."""
        self.trace.refuse("ndarray.view does not lower", construct=".view()", hint="use .astype() or .copy()")
