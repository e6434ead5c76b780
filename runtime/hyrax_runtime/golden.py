"""Golden columns: how raw input, tensors and outputs stand in the file, byte for byte. Packer and runtime share it.

Every column is raw little-endian C-order memory; no `.npy` header, nothing to parse. Rows of one shape are one array;
ragged rows are their values end to end with int64 offsets (and their shapes, where a row has more than one axis);
text and bytes are one buffer with int64 offsets. What is read is checked against the manifest before it becomes an
array: sizes, offsets that never step back, a closed table of dtypes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_runtime.contract import Kind
from hyrax_runtime.errors import GoldenError
from hyrax_runtime.manifest import ITEM_SIZE, GoldenColumn

Rows = NDArray[Any] | list[Any]


def encode_column(path: str, kind: Kind, rows: Any, *, member: str) -> tuple[GoldenColumn, dict[str, bytes]]:
    """Turn one column into its entry in the manifest and the members that hold it.

    Parameters
    ----------
    path : str
        A field's path, or the name of a graph input or output.
    kind : str
        `array`, `ragged`, `string` or `bytes`.
    rows : array_like, first axis rows
        For `array` anything that stacks to shape (N, ...); otherwise a sequence of N rows.
    member : str
        Where the column stands in the file, without an ending: `golden/input-0` gives `golden/input-0.bin` and, as
        needed, `golden/input-0.offsets.bin` and `golden/input-0.shapes.bin`.

    Returns
    -------
    column : GoldenColumn
    members : dict of str to bytes
        Member name to content, in the order in which they stand in the file.

    Raises
    ------
    GoldenError
        The rows do not stack, or are of a dtype outside the closed table (object, dates, structured).
    """
    if kind == "array":
        values = _stacked(path, rows)
        column = GoldenColumn(path, kind, values.dtype.name, values.shape, f"{member}.bin")
        return column, {column.values: _raw(values)}
    if kind == "ragged":
        return _encode_ragged(path, rows, member)
    return _encode_text(path, kind, rows, member)


def decode_column(column: GoldenColumn, read: Callable[[str], bytes]) -> Rows:
    """Read one column back: an array of shape `column.shape` for `array`, a list with one entry per row otherwise.

    `read` gives a member's verified bytes by name, as `Bundle.read` does. Arrays are writable and in native byte order.

    Raises
    ------
    GoldenError
        Sizes, offsets or text contradict the entry.
    """
    if column.kind == "array":
        return _array(column.path, read(column.values), column.dtype, column.shape)
    if column.offsets is None:
        raise GoldenError(f"golden column {column.path}: {column.kind} rows need offsets, the manifest names none")
    offsets = _offsets(column, read(column.offsets))
    if column.kind == "ragged":
        return _decode_ragged(column, offsets, read)
    buffer = read(column.values)
    if len(buffer) != column.shape[0]:
        raise GoldenError(f"golden column {column.path}: {len(buffer)} bytes where {column.shape[0]} are recorded")
    pieces = [buffer[start:stop] for start, stop in pairwise(offsets)]
    if column.kind == "bytes":
        return pieces
    try:
        return [piece.decode("utf-8") for piece in pieces]
    except UnicodeDecodeError as error:
        raise GoldenError(f"golden column {column.path}: not UTF-8 text ({error.reason})") from error


def _stacked(path: str, rows: Any) -> NDArray[Any]:
    try:
        values = np.asarray(rows)
    except ValueError as error:
        raise GoldenError(f"golden column {path}: rows do not stack to one array ({error})") from error
    return _checked_dtype(path, values)


def _checked_dtype(path: str, values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.name not in ITEM_SIZE:
        raise GoldenError(f"golden column {path}: dtype {values.dtype} cannot travel; one of {', '.join(ITEM_SIZE)}")
    return values


def _raw(values: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()


def _encode_ragged(path: str, rows: Sequence[Any], member: str) -> tuple[GoldenColumn, dict[str, bytes]]:
    arrays = [_checked_dtype(path, np.asarray(row)) for row in rows]
    ranks = {array.ndim for array in arrays}
    dtypes = {array.dtype.newbyteorder("=") for array in arrays}
    if len(ranks) != 1 or len(dtypes) != 1 or 0 in ranks:
        raise GoldenError(f"golden column {path}: ragged rows need one rank of at least 1 and one dtype")
    (rank,), (dtype,) = ranks, dtypes
    values = np.concatenate([array.ravel() for array in arrays])
    offsets = np.cumsum([0, *(array.size for array in arrays)], dtype=np.int64)
    members = {f"{member}.bin": _raw(values), f"{member}.offsets.bin": _raw(offsets)}
    shapes = None
    if rank > 1:
        shapes = f"{member}.shapes.bin"
        members[shapes] = _raw(np.array([array.shape for array in arrays], dtype=np.int64))
    column = GoldenColumn(
        path, "ragged", dtype.name, values.shape, f"{member}.bin", offsets=f"{member}.offsets.bin", shapes=shapes
    )
    return column, members


def _encode_text(path: str, kind: Kind, rows: Sequence[Any], member: str) -> tuple[GoldenColumn, dict[str, bytes]]:
    wanted = str if kind == "string" else bytes
    for number, row in enumerate(rows):
        if not isinstance(row, wanted):
            raise GoldenError(f"golden column {path}, row {number}: {type(row).__name__} is not {wanted.__name__}")
    pieces = [row.encode("utf-8") if isinstance(row, str) else bytes(row) for row in rows]
    offsets = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
    buffer = b"".join(pieces)
    column = GoldenColumn(
        path,
        kind,
        "str" if kind == "string" else "bytes",
        (len(buffer),),
        f"{member}.bin",
        offsets=f"{member}.offsets.bin",
    )
    return column, {f"{member}.bin": buffer, f"{member}.offsets.bin": _raw(offsets)}


def _array(path: str, buffer: bytes, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    if dtype not in ITEM_SIZE:
        raise GoldenError(f"golden column {path}: dtype {dtype!r} is not in the closed table")
    stored = np.dtype(dtype).newbyteorder("<")
    size = math.prod(shape) * stored.itemsize
    if size != len(buffer):
        raise GoldenError(f"golden column {path}: {len(buffer)} bytes where {dtype} of shape {shape} takes {size}")
    return np.frombuffer(buffer, stored).reshape(shape).astype(stored.newbyteorder("="))


def _offsets(column: GoldenColumn, buffer: bytes) -> list[int]:
    if len(buffer) < 8 or len(buffer) % 8:
        raise GoldenError(f"golden column {column.path}: offsets are not a row of int64")
    offsets: list[int] = np.frombuffer(buffer, "<i8").tolist()
    if offsets[0] != 0 or offsets[-1] != column.shape[0] or any(stop < start for start, stop in pairwise(offsets)):
        raise GoldenError(f"golden column {column.path}: offsets do not run from 0 up to {column.shape[0]}")
    return offsets


def _decode_ragged(column: GoldenColumn, offsets: list[int], read: Callable[[str], bytes]) -> list[NDArray[Any]]:
    values = _array(column.path, read(column.values), column.dtype, column.shape)
    rows = [values[start:stop] for start, stop in pairwise(offsets)]
    if column.shapes is None:
        return rows
    table = np.frombuffer(read(column.shapes), "<i8")
    if not rows or table.size % len(rows):
        raise GoldenError(
            f"golden column {column.path}: {table.size} dimensions do not share out over {len(rows)} rows"
        )
    shapes = [tuple(shape) for shape in table.reshape(len(rows), -1).tolist()]
    for number, (row, shape) in enumerate(zip(rows, shapes, strict=True)):
        if any(dim < 0 for dim in shape) or math.prod(shape) != row.size:
            raise GoldenError(f"golden column {column.path}, row {number}: {row.size} values do not fill shape {shape}")
    return [row.reshape(shape) for row, shape in zip(rows, shapes, strict=True)]
