"""A graph while it is being built: values, and the nodes that make them.

Only the standard domain, one opset. The same operation on the same values is made once (so that every path of a
branching function shares what it has in common), and nothing is pruned here: the model takes what its outputs need.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPSET = 21
IR_VERSION = 10
OWN = "to_tensor/own/"  # before every name of ours: a field's path has one slash at most


@dataclass(frozen=True, eq=False, slots=True)
class Free:
    """A dimension that is known only when the graph runs, and which one it is: the batch, or a free axis of a field."""

    name: str


Dim = int | Free | None
Shape = tuple[Dim, ...]
DType = np.dtype[Any]
Attribute = int | float | str | tuple[int, ...]

_LARGE_BYTES = 1 << 12  # of which a digest is kept, not a second copy


class NoCounterpart(Exception):  # noqa: N818 - becomes a refusal
    """An operation of numpy that no operation of ONNX, as runtimes implement it, stands for; says which."""


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One operation: its name in the standard domain, what goes in, and what comes out (names, dtypes, shapes)."""

    op: str
    inputs: tuple[Value | None, ...]
    outputs: tuple[str, ...]
    dtypes: tuple[DType, ...]
    shapes: tuple[Shape, ...]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """One tensor of the graph.

    Attributes
    ----------
    name : str
    dtype : numpy.dtype
    shape : tuple of int, Free or None
        A number only where it holds whatever comes in; None where nothing is known of the dimension.
    constant : ndarray or None
        The values, where they are known while the graph is built.
    node : Node or None
        What makes it; None for an input of the graph and for a constant.
    """

    name: str
    dtype: DType
    shape: Shape
    constant: NDArray[Any] | None = None
    node: Node | None = None

    @property
    def rank(self) -> int:
        """The number of dimensions, which is always known."""
        return len(self.shape)


class Graph:
    """Makes values.

    Attributes
    ----------
    rows : Free
        The batch axis.
    batch : Value
        The size of the batch as a scalar int64, bound to an input when the model is made.
    rows_made : dict
        Single rows of values that are known already, by value, axis and row (see projecting.py).
    inexact : dict
        By the name of a value: whether it may differ from numpy's in its last bits (see exactness.py).
    ranges : dict
        By the name of a value of whole numbers: what it can be, where whatever made it knows (see ranges.py).
    """

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget all that was made."""
        self.inputs: dict[str, Value] = {}
        self.rows = Free("N")
        self.batch = Value(f"{OWN}batch", np.dtype(np.int64), ())
        self.rows_made: dict[tuple[str, int, int], Value] = {}
        self.inexact: dict[str, bool] = {}
        self.ranges: dict[str, tuple[int, int]] = {}
        self._sizes: dict[Free, Value] = {self.rows: self.batch}
        self._made: dict[tuple[Any, ...], tuple[Value, ...]] = {}
        self._constants: dict[tuple[Any, ...], Value] = {}
        self._count = 0

    def input(self, name: str, dtype: DType, shape: Shape) -> Value:
        """Declare an input; the same name gives the same value."""
        if name not in self.inputs:
            self.inputs[name] = Value(name, dtype, shape)
        return self.inputs[name]

    def size_of(self, dim: Free) -> Value | None:
        """Return the size of a free dimension as a scalar int64; None where nothing says it."""
        if dim not in self._sizes:
            for value in self.inputs.values():
                if dim in value.shape:
                    axis = value.shape.index(dim)
                    part = self.one("Shape", [value], np.int64, (1,), start=axis, end=axis + 1)
                    self._sizes[dim] = self.one("Squeeze", [part, self.ints([0])], np.int64, ())
                    break
        return self._sizes.get(dim)

    def free_of(self, size: Value) -> Free | None:
        """Return the free dimension that a scalar is the size of; None for any other scalar."""
        return next((dim for dim, known in self._sizes.items() if known is size), None)

    def constant(self, values: Any, dtype: Any = None) -> Value:
        """Return the values as a constant; the same values are the same constant."""
        array = np.array(values, dtype=dtype, order="C")
        content = array.tobytes() if array.nbytes <= _LARGE_BYTES else hashlib.sha256(array.tobytes()).digest()
        key = (array.dtype.str, array.shape, content)
        if key not in self._constants:
            self._constants[key] = Value(self._name("c"), array.dtype, array.shape, constant=array)
        return self._constants[key]

    def ints(self, numbers: Sequence[int]) -> Value:
        """Return numbers as the 1-D int64 constant that axes, shapes and sizes are given by."""
        return self.constant(np.array(list(numbers), dtype=np.int64).reshape(len(numbers)))

    def emit(
        self,
        op: str,
        inputs: Sequence[Value | None],
        dtypes: Sequence[DType],
        shapes: Sequence[Shape],
        **attributes: Attribute,
    ) -> tuple[Value, ...]:
        """Add an operation with one dtype and shape per output, or return what the same operation gave before."""
        key = (op, *(None if one is None else one.name for one in inputs), *sorted(attributes.items()))
        if key not in self._made:
            names = tuple(self._name("t") for _ in dtypes)
            node = Node(op, tuple(inputs), names, tuple(map(np.dtype, dtypes)), tuple(shapes), attributes)
            self._made[key] = tuple(
                Value(name, dtype, shape, node=node)
                for name, dtype, shape in zip(names, node.dtypes, node.shapes, strict=True)
            )
        return self._made[key]

    def one(self, op: str, inputs: Sequence[Value | None], dtype: Any, shape: Shape, **attributes: Attribute) -> Value:
        """Add an operation that has one output."""
        return self.emit(op, inputs, [np.dtype(dtype)], [shape], **attributes)[0]

    def count_nodes(self) -> int:
        """Return how many operations there are."""
        return len(self._made)

    def nodes_since(self, count: int) -> Iterator[Node]:
        """Yield the operations that were added when there were `count` of them."""
        for values in itertools.islice(self._made.values(), count, None):
            if values[0].node is not None:
                yield values[0].node

    def _name(self, letter: str) -> str:
        self._count += 1
        return f"{OWN}{letter}{self._count}"


def needed_nodes(outputs: Sequence[Value], known: Mapping[str, object] | None = None) -> list[Node]:
    """Return the nodes that make the outputs, each after what it takes; stops at the values named in `known`."""
    ordered: list[Node] = []
    done: set[int] = set()
    stack: list[tuple[Value, bool]] = [(value, False) for value in reversed(outputs)]
    while stack:
        value, is_ready = stack.pop()
        node = value.node
        if node is None or id(node) in done or (known is not None and value.name in known):
            continue
        if is_ready:
            done.add(id(node))
            ordered.append(node)
            continue
        stack.append((value, True))
        stack.extend((one, False) for one in reversed(node.inputs) if one is not None)
    return ordered


def broadcast_shape(shapes: Sequence[Shape]) -> Shape:
    """Return the shape of values broadcast together, as numpy and ONNX do it; None where it is not known.

    Examples
    --------
    >>> broadcast_shape([(None, 3, 1), (8,)])
    (None, 3, 8)
    """
    rank = max((len(shape) for shape in shapes), default=0)
    result: list[Dim] = []
    for axis in range(-rank, 0):
        dims = [shape[axis] for shape in shapes if len(shape) >= -axis]
        result.append(_broadcast_dim([dim for dim in dims if dim != 1]))
    return tuple(result)


def _broadcast_dim(dims: Sequence[Dim]) -> Dim:
    """Return what dimensions other than one become: a number wins, and what is the same everywhere stays."""
    fixed = [dim for dim in dims if isinstance(dim, int)]
    if fixed:
        return fixed[0]
    return (dims[0] if all(dim is dims[0] for dim in dims) else None) if dims else 1


def fixed_dims(shape: Shape) -> tuple[int, ...] | None:
    """Return a shape of numbers alone; None where a dimension is known only when the graph runs."""
    numbers = tuple(dim for dim in shape if isinstance(dim, int))
    return numbers if len(numbers) == len(shape) else None


def unknown_axes(shape: Shape) -> list[int]:
    """Return the axes whose size is known only when the graph runs."""
    return [axis for axis, dim in enumerate(shape) if not isinstance(dim, int)]
