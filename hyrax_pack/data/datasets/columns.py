"""Arrow columns as rows of numpy: what a column's type says of its rows, and rows laid out for reading in any order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hyrax_runtime.arrow_columns import is_list, stated_shape
from numpy.typing import NDArray

from hyrax_pack.data.datasets.spool import Spool
from hyrax_pack.errors import DataError

Layout = Literal["fixed", "ragged", "string", "bytes"]


@dataclass(frozen=True)
class ColumnType:
    """What one row of a column is.

    Attributes
    ----------
    layout : str
        `fixed`: a number or an array of one shape; `ragged`: arrays whose shape differs from row to row; `string`;
        `bytes`.
    dtype : numpy dtype
        Of the values; uint8 for text and bytes.
    shape : tuple of int or None
        Of a `fixed` row; of a `ragged` one, the axes after the first, where only the first is free.
    dims : tuple of int or None
        Of every axis of a row, None where it is free.
    """

    layout: Layout
    dtype: np.dtype[Any]
    shape: tuple[int, ...] | None
    dims: tuple[int | None, ...]

    @property
    def rank(self) -> int:
        """How many axes a row has."""
        return len(self.dims)

    @property
    def row_bytes(self) -> int | None:
        """The size of a `fixed` row; None where rows differ."""
        return math.prod(self.shape or ()) * self.dtype.itemsize if self.layout == "fixed" else None


def parse_column_type(field: Any, where: str) -> ColumnType:
    """Read a row's shape from the Arrow type: nested fixed-size lists, the tensor extension, or metadata `shape`.

    Raises
    ------
    DataError
        The column holds something that is no number, text or array of numbers; or its metadata contradicts its type.
    """
    kind = _value_type(field.type)
    stated = _stated_shape(field, where)
    if isinstance(kind, pa.FixedShapeTensorType):
        shape, kind = _tensor_shape(kind, where), kind.value_type
        return ColumnType("fixed", _dtype(kind, where), shape, shape)
    dims: list[int | None] = []
    while is_list(kind):
        dims.append(kind.list_size if pa.types.is_fixed_size_list(kind) else None)
        kind = _value_type(kind.value_type)
    if stated is not None and dims and math.prod(stated) != math.prod(size or 1 for size in dims) and None not in dims:
        raise DataError(f"{where}: its metadata says shape {list(stated)}, its type {dims}")
    if stated is not None and dims:
        return ColumnType("fixed", _dtype(kind, where), stated, stated)
    if not dims and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return ColumnType("string", np.dtype(np.uint8), None, ())
    if not dims and (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        return ColumnType("bytes", np.dtype(np.uint8), None, ())
    dtype = _dtype(kind, where)
    sizes = tuple(size for size in dims if size is not None)
    if None in dims:
        only_first = dims[0] is None and len(sizes) == len(dims) - 1
        return ColumnType("ragged", dtype, sizes if only_first else None, tuple(dims))
    return ColumnType("fixed", dtype, sizes, sizes)


class RowColumn:
    """The rows of one column, appended batch by batch, then read in any order.

    Parameters
    ----------
    column : ColumnType
        What a row is.
    where : str
        The column's place, for messages.
    limit_bytes : int
        How many bytes are kept in memory.
    """

    def __init__(self, column: ColumnType, where: str, limit_bytes: int) -> None:
        self.column = column
        self.where = where
        self.rows = 0
        self._values = Spool(where, limit_bytes)
        self._ends = Spool(where, limit_bytes // 8)
        self._shapes = Spool(where, limit_bytes // 8)

    @property
    def memory_bytes(self) -> int:
        """How many bytes are held in memory."""
        return self._values.memory_bytes + self._ends.memory_bytes + self._shapes.memory_bytes

    def append(self, array: Any) -> None:
        """Append the rows of one Arrow array.

        Raises
        ------
        DataError
            A row is null where it can be neither NaN nor a list of nothing; or it does not have the column's shape.
        """
        array = _plain_storage(array)
        if array.null_count and self.column.layout == "ragged":
            array = _with_empty_lists(array)
        if array.null_count and not pa.types.is_floating(array.type):
            first = self.rows + pc.index(pc.is_null(array), True).as_py()
            raise DataError(f"{self.where}, row {first}: null; fill it, or leave the column out of `fields`")
        if self.column.layout == "fixed":
            self._append_fixed(array)
        elif self.column.layout == "ragged":
            self._append_ragged(array)
        else:
            self._append_text(array)
        self.rows += len(array)

    def finish(self) -> None:
        """Make the rows readable."""
        for spool in (self._values, self._ends, self._shapes):
            spool.finish()

    def row(self, number: int) -> Any:
        """Return one row: a numpy scalar, an ndarray that belongs to the caller, a str or bytes."""
        if not 0 <= number < self.rows:
            raise IndexError(f"{self.where}: row {number} of {self.rows}")
        if self.column.layout == "fixed":
            values = np.empty(self.column.shape or (), dtype=self.column.dtype)
            self._values.read_into(values, number * values.nbytes)
            return values if self.column.rank else values[()]
        ends = np.zeros(2, dtype=np.int64)
        self._ends.read_into(ends[1:] if number == 0 else ends, max(0, number - 1) * 8)
        start, stop = ends.tolist()
        values = np.empty(stop - start, dtype=self.column.dtype)
        self._values.read_into(values, start * values.itemsize)
        if self.column.layout == "ragged":
            return values.reshape(self._row_shape(number)) if self.column.rank > 1 else values
        return str(values.tobytes(), "utf-8") if self.column.layout == "string" else values.tobytes()

    def _row_shape(self, number: int) -> tuple[int, ...]:
        shape = np.empty(self.column.rank, dtype=np.int64)
        self._shapes.read_into(shape, number * shape.nbytes)
        return tuple(shape.tolist())

    def _append_fixed(self, array: Any) -> None:
        size = math.prod(self.column.shape or ())
        counts = None
        while pa.types.is_nested(array.type):
            if not pa.types.is_fixed_size_list(array.type) and counts is None:
                counts = pc.list_value_length(array).to_numpy(zero_copy_only=False)
                wrong = np.flatnonzero(counts != size)
                if wrong.size:
                    row = self.rows + int(wrong[0])
                    raise DataError(f"{self.where}, row {row}: {counts[wrong[0]]} values; its shape asks for {size}")
            array = self._flat(array)
        self._values.append(self._numbers(array))

    def _append_ragged(self, array: Any) -> None:
        if self.column.shape is not None:
            self._append_free_first_axis(array, self.column.shape)
            return
        self._innermost(array)  # in which numpy would make False of a null, and a row without an axis of a null list
        for number, value in enumerate(array.to_pylist()):
            try:
                row = np.array(value, dtype=self.column.dtype)
            except (TypeError, ValueError) as error:
                raise DataError(f"{self.where}, row {self.rows + number}: nested lists of unequal length") from error
            shape = row.shape + tuple(size or 0 for size in self.column.dims[row.ndim :])
            self._append_ends(np.array([row.size], dtype=np.int64))
            self._shapes.append(np.array(shape, dtype=np.int64))
            self._values.append(row)

    def _append_free_first_axis(self, array: Any, rest: tuple[int, ...]) -> None:
        lengths = pc.list_value_length(array).to_numpy(zero_copy_only=False).astype(np.int64)
        self._append_ends(lengths * math.prod(rest))
        if rest:
            tails = np.broadcast_to(np.array(rest, dtype=np.int64), (len(lengths), len(rest)))
            self._shapes.append(np.concatenate([lengths[:, None], tails], axis=1))
        self._values.append(self._innermost(array))

    def _append_text(self, array: Any) -> None:
        try:
            array.validate(full=True)
        except pa.ArrowInvalid as error:
            raise DataError(f"{self.where}: a text near row {self.rows} is no UTF-8; write it as UTF-8") from error
        binary = array.cast(pa.large_binary())
        _validity, offsets, content = binary.buffers()
        ends = np.frombuffer(offsets, dtype=np.int64)[binary.offset : binary.offset + len(binary) + 1]
        self._append_ends(np.diff(ends))
        if content is not None:
            self._values.append(np.frombuffer(content, dtype=np.uint8)[ends[0] : ends[-1]])

    def _append_ends(self, lengths: NDArray[np.int64]) -> None:
        self._ends.append(np.cumsum(lengths) + self._values.size // self.column.dtype.itemsize)

    def _innermost(self, array: Any) -> NDArray[Any]:
        while pa.types.is_nested(array.type):
            array = self._flat(array)
        return self._numbers(array)

    def _flat(self, array: Any) -> Any:
        """The values of a list array; a list that is null would vanish here, and every row behind it move up."""
        if array.null_count:
            raise DataError(f"{self.where}: null for a list near row {self.rows}; fill it")
        return _plain_storage(array.flatten())

    def _numbers(self, array: Any) -> NDArray[Any]:
        if array.null_count and not pa.types.is_floating(array.type):
            raise DataError(f"{self.where}: null inside a row near row {self.rows}; fill it")
        values: NDArray[Any] = array.to_numpy(zero_copy_only=False).astype(self.column.dtype, copy=False)
        return values


def _with_empty_lists(array: Any) -> Any:
    """A null list is a list of nothing: tables store the light curve of an alert without detections as null."""
    lengths = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
    kind = np.int64 if pa.types.is_large_list(array.type) else np.int32
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(kind)
    return type(array).from_arrays(pa.array(offsets), array.flatten())


def _plain_storage(array: Any) -> Any:
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _value_type(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _dtype(kind: Any, where: str) -> np.dtype[Any]:
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_timestamp(kind)
    ):
        return np.dtype(kind.to_pandas_dtype() if not pa.types.is_timestamp(kind) else f"datetime64[{kind.unit}]")
    raise DataError(
        f"{where}: a column of {str(kind)[:60]} cannot be a field; it has to hold numbers, text, bytes or lists of "
        "numbers (name the fields to read in `fields`)"
    )


def _tensor_shape(kind: Any, where: str) -> tuple[int, ...]:
    permutation = kind.permutation
    if permutation is not None and list(permutation) != sorted(permutation):
        raise DataError(
            f"{where}: its tensors are stored with permuted axes {list(permutation)}; write them in C order"
        )
    return tuple(kind.shape)


def _stated_shape(field: Any, where: str) -> tuple[int, ...] | None:
    try:
        return stated_shape(field)
    except TypeError as error:
        raise DataError(f"{where}: {error}") from error
