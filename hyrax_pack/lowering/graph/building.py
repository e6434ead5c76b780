"""A graph while it is being built: values, and the nodes that make them.

Only the standard domain, one opset. The same operation on the same values is made once (so that every path of a
branching function shares what it has in common), and nothing is pruned here: the model takes what its outputs need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPSET = 21
IR_VERSION = 10

Shape = tuple[int | None, ...]
DType = np.dtype[Any]
Attribute = int | float | str | tuple[int, ...]

_SHARED_CONSTANT_BYTES = 1 << 20


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
    shape : tuple of int or None
        None where the dimension is only known when the graph runs.
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
    """Makes values. `batch` is the size of the batch as a scalar int64, bound to an input when the model is made."""

    def __init__(self) -> None:
        self.inputs: dict[str, Value] = {}
        self.batch = Value("to_tensor/batch", np.dtype(np.int64), ())
        self._made: dict[tuple[Any, ...], tuple[Value, ...]] = {}
        self._constants: dict[tuple[Any, ...], Value] = {}
        self._count = 0

    def input(self, name: str, dtype: DType, shape: Shape) -> Value:
        """Declare an input; the same name gives the same value."""
        if name not in self.inputs:
            self.inputs[name] = Value(name, dtype, shape)
        return self.inputs[name]

    def constant(self, values: Any, dtype: Any = None) -> Value:
        """Return the values as a constant; small ones are shared."""
        array = np.array(values, dtype=dtype, order="C")
        key = (array.dtype.str, array.shape, array.tobytes()) if array.nbytes <= _SHARED_CONSTANT_BYTES else None
        if key is not None and key in self._constants:
            return self._constants[key]
        made = Value(self._name("c"), array.dtype, array.shape, constant=array)
        if key is not None:
            self._constants[key] = made
        return made

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

    def _name(self, letter: str) -> str:
        self._count += 1
        return f"to_tensor/{letter}{self._count}"


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
    result: list[int | None] = []
    for axis in range(-rank, 0):
        dims = [shape[axis] for shape in shapes if len(shape) >= -axis]
        fixed = [dim for dim in dims if dim is not None and dim != 1]
        result.append(fixed[0] if fixed else (None if None in dims else 1))
    return tuple(result)
