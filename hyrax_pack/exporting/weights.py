"""The weights as one run of bytes, `weights.bin`: tensors end to end at multiples of 64, zeros between them.

Small weights stay in memory. Large ones go straight from torch's storage into an unlinked temporary file that is then
mapped: gate and bundle read the same pages, and nothing is held twice.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import onnx_ir as ir

WEIGHTS_FILE = "weights.bin"
INLINE_UP_TO_BYTES = 1024
ALIGN = 64
IN_MEMORY_UP_TO_BYTES = 64 << 20
CHUNK_BYTES = 16 << 20


@dataclass(frozen=True)
class Weights:
    """The bytes of `weights.bin`; empty where every tensor stands in the graph itself."""

    data: memoryview

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.data)

    def buffers(self) -> Iterator[memoryview]:
        """The bytes in order, a piece at a time."""
        for start in range(0, self.size, CHUNK_BYTES):
            yield self.data[start : start + CHUNK_BYTES]


def externalise(model: ir.Model, scratch: Path | None = None) -> Weights:
    """Move every tensor over 1 KiB out of the graph and into `weights.bin`, in the graph's order.

    Parameters
    ----------
    model : onnx_ir.Model
        Changed in place: its tensors then point into `weights.bin`.
    scratch : Path, optional
        The folder for the temporary file of large weights; the system's own where there is none.
    """
    _take_in_small_files(model)
    outside = [
        value
        for value in model.graph.initializers.values()
        if value.const_value is not None and value.const_value.nbytes > INLINE_UP_TO_BYTES
    ]
    offsets: list[int] = []
    end = 0
    for value in outside:
        end += -end % ALIGN
        offsets.append(end)
        end += _tensor(value).nbytes
    weights = Weights(_written(outside, offsets, end, scratch))
    for value, offset in zip(outside, offsets, strict=True):
        tensor = _tensor(value)
        value.const_value = ir.ExternalTensor(
            WEIGHTS_FILE,
            offset,
            tensor.nbytes,
            tensor.dtype,
            shape=ir.Shape(tensor.shape.numpy()),
            name=value.name or "",
        )
    return weights


def _take_in_small_files(model: ir.Model) -> None:
    """Read small tensors that stand in a file beside the graph into it: torch writes all of them there."""
    for graph in (model.graph, *model.graph.subgraphs()):
        for value in graph.initializers.values():
            tensor = value.const_value
            if isinstance(tensor, ir.ExternalTensor) and tensor.nbytes <= INLINE_UP_TO_BYTES:
                value.const_value = ir.Tensor(np.array(tensor.numpy()), dtype=tensor.dtype, name=value.name)


def _tensor(value: ir.Value) -> ir.TensorProtocol:
    assert value.const_value is not None  # the caller picked those that have one
    return value.const_value


def _written(values: list[ir.Value], offsets: list[int], size: int, scratch: Path | None) -> memoryview:
    if size <= IN_MEMORY_UP_TO_BYTES:
        block = bytearray(size)
        for value, offset in zip(values, offsets, strict=True):
            tensor = _tensor(value)
            block[offset : offset + tensor.nbytes] = _bytes(tensor)
        return memoryview(block).toreadonly()
    with tempfile.TemporaryFile(dir=scratch, prefix=".hyrax-weights-") as file:
        for value, offset in zip(values, offsets, strict=True):
            file.seek(offset)  # what is skipped reads as zeros
            _write(file, _tensor(value))
        file.flush()
        return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))


def _write(file: IO[bytes], tensor: ir.TensorProtocol) -> None:
    buffer = _bytes(tensor)
    for start in range(0, len(buffer), CHUNK_BYTES):
        file.write(buffer[start : start + CHUNK_BYTES])


def _bytes(tensor: ir.TensorProtocol) -> memoryview:
    """The tensor's memory, little endian and C order; a view wherever torch's own storage already is that."""
    array = np.ascontiguousarray(tensor.numpy())
    if array.nbytes != tensor.nbytes:  # types below a byte are packed
        return memoryview(tensor.tobytes())
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    return memoryview(array.reshape(-1).view(np.uint8).data)
