"""Discrete Fourier transforms, in double precision whatever comes in."""

from __future__ import annotations

import numpy as np

from hyrax_pack.lowering.graph.building import Graph, Value
from hyrax_pack.lowering.operations.arithmetic import binary, choose, scalar
from hyrax_pack.lowering.operations.casting import FLOAT64, cast
from hyrax_pack.lowering.operations.shaping import expand_dims, join, squeeze, take_range


def transform(
    graph: Graph, real: Value, imag: Value | None, axis: int, *, inverse: bool, onesided: bool
) -> tuple[Value, Value]:
    """Return real and imaginary part of the transform along an axis; `imag` is None where there is none."""
    parts = [real] if imag is None else [real, imag]
    pairs = join(graph, [expand_dims(graph, cast(graph, one, FLOAT64), [one.rank]) for one in parts], real.rank)
    size = real.shape[axis]
    bins = (size // 2 + 1 if onesided else size) if isinstance(size, int) else None
    shape = (*real.shape[:axis], bins, *real.shape[axis + 1 :], 2)
    made = graph.one(
        "DFT",
        [pairs, None, graph.constant(np.int64(axis))],
        FLOAT64,
        shape,
        inverse=int(inverse),
        onesided=int(onesided),
    )
    first, second = (squeeze(graph, take_range(graph, made, real.rank, at, at + 1), [real.rank]) for at in (0, 1))
    if imag is None and isinstance(size, int) and bins is not None:
        second = _without_phase(graph, second, axis, size, bins)
    return first, second


def _without_phase(graph: Graph, imag: Value, axis: int, size: int, bins: int) -> Value:
    """Put exact zeros where the transform of real numbers is real: at frequency zero and at half of an even size."""
    is_real = np.array([at == 0 or 2 * at == size for at in range(bins)])
    mask = graph.constant(is_real.reshape(-1, *[1] * (imag.rank - axis - 1)))
    return choose(graph, mask, scalar(graph, 0, imag), imag)


def scaled(graph: Graph, value: Value, factor: float) -> Value:
    """Multiply by a number."""
    return value if factor == 1 else binary(graph, "Mul", value, graph.constant(factor, value.dtype))
