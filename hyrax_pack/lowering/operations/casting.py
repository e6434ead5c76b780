"""Between dtypes, and the dtypes that arithmetic is carried out in.

Runtimes implement arithmetic for float32, float64, int32 and int64, and everything else here and there. So the small
integers are computed as int32, uint32 as int64, float16 as float32, and cast back after every operation: wrapping
around and rounding are then numpy's. int64 and uint64 are one another's bit patterns where only those matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hyrax_pack.lowering.graph.building import DType, Graph, Value
from hyrax_pack.lowering.graph.model import tensor_type

BOOL = np.dtype(np.bool_)
INT32 = np.dtype(np.int32)
INT64 = np.dtype(np.int64)
UINT64 = np.dtype(np.uint64)
FLOAT16 = np.dtype(np.float16)
FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)

_CARRIERS: dict[DType, DType] = {
    np.dtype(np.int8): INT32,
    np.dtype(np.uint8): INT32,
    np.dtype(np.int16): INT32,
    np.dtype(np.uint16): INT32,
    np.dtype(np.uint32): INT64,
    FLOAT16: FLOAT32,
}
# Smaller targets go through int32, as the processor does it, so that what is out of range is defined.
_GUARDED: dict[DType, DType] = {
    np.dtype(np.int8): INT32,
    np.dtype(np.uint8): INT32,
    np.dtype(np.int16): INT32,
    np.dtype(np.uint16): INT32,
    INT32: INT32,
    np.dtype(np.uint32): INT64,
    INT64: INT64,
}


def carrier(dtype: DType) -> DType:
    """Return the dtype that arithmetic on `dtype` is carried out in."""
    return _CARRIERS.get(dtype, dtype)


def cast(graph: Graph, value: Value, dtype: Any) -> Value:
    """Convert as `astype` does on the machines that train: NaN and what is out of range become the least integer."""
    dtype = np.dtype(dtype)
    if value.dtype == dtype:
        return value
    if value.constant is not None:
        with np.errstate(all="ignore"):
            return graph.constant(value.constant.astype(dtype))
    if value.dtype.kind == "f" and dtype in _GUARDED:
        return _cast_to_int(graph, value, dtype)
    if value.dtype.kind in "iu" and dtype.kind in "iu" and dtype.itemsize < value.dtype.itemsize:
        return _cut_to_size(graph, value, dtype)
    if value.dtype == FLOAT64 and dtype == FLOAT32:
        return _narrowed_before(graph, value) or plain_cast(graph, value, dtype)
    return plain_cast(graph, value, dtype)


def plain_cast(graph: Graph, value: Value, dtype: DType) -> Value:
    """Convert where every value is in range."""
    if value.dtype == dtype:
        return value
    return graph.one("Cast", [value], dtype, value.shape, to=tensor_type(dtype))


def _narrowed_before(graph: Graph, value: Value) -> Value | None:
    """Return `(small integers / number)` calculated in float32 where it would be calculated in float64 and narrowed.

    Integers up to 16 bits and the number are exact in float32, so only the last bit can differ: `images / 255` without
    a pass over doubles.
    """
    node = value.node
    if node is None or node.op not in ("Div", "Mul", "Add", "Sub"):
        return None
    operands = [_exact_in_float32(graph, one) for one in node.inputs if one is not None]
    if None in operands:
        return None
    return graph.one(node.op, operands, FLOAT32, value.shape)


def _exact_in_float32(graph: Graph, value: Value) -> Value | None:
    if value.constant is not None:
        held = value.constant.astype(np.float32)
        return graph.constant(held) if (held == value.constant).all() else None
    source = value.node.inputs[0] if value.node is not None and value.node.op == "Cast" else None
    if source is None or source.dtype.kind not in "biu" or source.dtype.itemsize > 2:
        return None
    return plain_cast(graph, source, FLOAT32)


def _cast_to_int(graph: Graph, value: Value, dtype: DType) -> Value:
    """Cut off the fraction; NaN and what is out of range give -2^31 or -2^63, whose low bits are zero."""
    if value.dtype == FLOAT16:
        value = plain_cast(graph, value, FLOAT32)
    target = _GUARDED[dtype]
    bound = graph.constant(float(2 ** (31 if target == INT32 else 63)), value.dtype)
    least = graph.constant(-float(2 ** (31 if target == INT32 else 63)), value.dtype)
    size = graph.one("Abs", [value], value.dtype, value.shape)
    fits = graph.one("Less", [size, bound], BOOL, value.shape)
    whole = plain_cast(graph, graph.one("Where", [fits, value, least], value.dtype, value.shape), target)
    return _cut_to_size(graph, whole, dtype) if dtype.itemsize < target.itemsize else plain_cast(graph, whole, dtype)


def _cut_to_size(graph: Graph, value: Value, dtype: DType) -> Value:
    """Convert to a narrower integer; of two casts in a row runtimes make one, and lose what is out of range."""
    if value.node is not None and value.node.op == "Cast":
        wide = plain_cast(graph, value, INT64 if value.dtype == UINT64 else carrier(value.dtype))
        size = graph.constant(1 << 8 * dtype.itemsize, wide.dtype)
        value = graph.one("Mod", [wide, size], wide.dtype, wide.shape)
    return plain_cast(graph, value, dtype)
