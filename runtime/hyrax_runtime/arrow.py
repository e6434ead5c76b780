"""Arrow columns to rows and outputs to Arrow columns; Parquet files in batches. Needs the extra `arrow`.

A column's row shape comes from nested fixed-size lists, from the Arrow tensor extension, or from the field's metadata
`shape`. Lists of free length are ragged rows. A null among floats is NaN, which is how tables store NaN; any other null
is a row without a value, and the contract refuses that row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hyrax_runtime.contract import OBJECT_ID, InputContract
from hyrax_runtime.contract_check import DataDict, nest
from hyrax_runtime.errors import DataFileError, OutputFileError
from hyrax_runtime.files import ERROR_COLUMN, choose_columns, error_texts
from hyrax_runtime.manifest import Output
from hyrax_runtime.outputs import Outputs


class ParquetRows:
    """A Parquet file, read batch by batch."""

    def __init__(self, path: Path, contract: InputContract, ids: str | None) -> None:
        self._path = path
        try:
            self._file = pq.ParquetFile(path, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise DataFileError(
                f"{path}: not a readable Parquet file ({_first_line(error)}); write it again"
            ) from error
        self._schema = self._file.schema_arrow
        self._columns = choose_columns(path, self._schema.names, contract, ids)
        self.rows: int = self._file.metadata.num_rows

    def batches(self, size: int) -> Iterator[DataDict]:
        """Read the needed columns, `size` rows at a time. A file of no rows is one batch of none."""
        try:
            for batch in self._batches(size):
                yield nest({place: self._rows_of(batch, name) for place, name in self._columns.items()})
        except (pa.ArrowException, OSError) as error:
            raise DataFileError(f"{self._path}: reading stopped: {_explained(error)}") from error

    def _batches(self, size: int) -> Iterator[pa.RecordBatch]:
        if self.rows:
            yield from self._file.iter_batches(size, columns=sorted(set(self._columns.values())))
        else:
            yield pa.record_batch([_empty(kind) for kind in self._schema.types], schema=self._schema)

    def _rows_of(self, batch: pa.RecordBatch, name: str) -> NDArray[Any] | list[Any]:
        try:
            return column_rows(batch.column(name), self._schema.field(name))
        except TypeError as error:
            raise DataFileError(f"{self._path}: column {name!r}: {error}") from error


class ParquetOutputs:
    """Outputs on their way to a Parquet file, one row group per few batches."""

    def __init__(self, path: Path, declared: Sequence[Output], with_errors: bool) -> None:
        self._path = path
        self._declared = declared
        self._with_errors = with_errors
        self._writer: pq.ParquetWriter | None = None

    def write(self, outputs: Outputs) -> None:
        """Add one batch."""
        batch = outputs_batch(outputs, self._declared, with_errors=self._with_errors)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, batch.schema)
        elif batch.schema != self._writer.schema:
            first, now = self._writer.schema.field(OBJECT_ID).type, batch.schema.field(OBJECT_ID).type
            raise OutputFileError(f"the ids are {first} in the first rows and {now} later; give them one type")
        self._writer.write_batch(batch)

    def close(self) -> None:
        """Write the footer; a file of no batch at all still has its columns."""
        if self._writer is None:
            empty = pa.schema([_output_field(output) for output in self._declared]).empty_table()
            pq.write_table(empty, self._path)
        else:
            self._writer.close()

    def abandon(self) -> None:
        """Let go of the file."""
        if self._writer is not None and self._writer.is_open:
            self._writer.close()


def column_rows(column: pa.Array, field: pa.Field) -> NDArray[Any] | list[Any]:
    """Return a column's rows: one array (N, ...) where all have one shape and a value, else a list with one entry each.

    Raises
    ------
    TypeError
        The column's type holds neither numbers nor text.
    """
    rows = _rows(column)
    shape = _metadata_shape(field)
    if shape is None:
        return rows
    if isinstance(rows, np.ndarray):
        return _reshaped(rows, (len(rows), *shape))
    return [None if row is None else _reshaped(np.asarray(row), shape) for row in rows]


def outputs_batch(outputs: Outputs, declared: Sequence[Output], *, with_errors: bool = False) -> pa.RecordBatch:
    """Return one batch of outputs as Arrow columns: ids first, then each output, then `error` where asked for.

    Rows of more than one value are nested lists, of fixed size where the output's shape is.
    """
    arrays: list[pa.Array] = []
    fields: list[pa.Field] = []
    rows = len(next(iter(outputs.values())))
    if outputs.object_id is not None:
        ids = outputs.object_id
        arrays.append(pa.array(ids.tolist() if isinstance(ids, np.ndarray) and ids.dtype.kind in "US" else ids))
        fields.append(pa.field(OBJECT_ID, arrays[-1].type))
    for output in declared:
        field = _output_field(output)
        fields.append(field)
        arrays.append(_as_arrow(outputs[output.name], field.type))
    if with_errors:
        arrays.append(pa.array([text or None for text in error_texts(outputs, rows)], pa.string()))
        fields.append(pa.field(ERROR_COLUMN, pa.string()))
    return pa.record_batch(arrays, schema=pa.schema(fields))


def _empty(kind: pa.DataType) -> pa.Array:
    if isinstance(kind, pa.BaseExtensionType):  # which pa.array cannot make from nothing
        return pa.ExtensionArray.from_storage(kind, _empty(kind.storage_type))
    return pa.array([], kind)


def _rows(column: pa.Array) -> NDArray[Any] | list[Any]:
    kind = column.type
    if isinstance(kind, pa.FixedShapeTensorType) and not column.null_count:
        stacked: NDArray[Any] = column.to_numpy_ndarray()
        return stacked
    if isinstance(column, pa.ExtensionArray):
        return _rows(column.storage)
    if isinstance(column, pa.DictionaryArray):
        return _rows(column.dictionary_decode())
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _list_rows(column)
    if pa.types.is_floating(kind):
        values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return _number_rows(column)
    if _is_text(kind):
        texts: list[Any] = column.to_pylist()
        return texts
    raise TypeError(f"values of type {kind} are neither numbers nor text; convert the column")


def _is_text(kind: pa.DataType) -> bool:
    tests = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view", "fixed_size_binary")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _number_rows(column: pa.Array) -> NDArray[Any] | list[Any]:
    if not column.null_count:
        values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values
    zero = pa.scalar(0).cast(column.type)
    filled = column.fill_null(zero).to_numpy(zero_copy_only=False)
    absent = column.is_null().to_numpy(zero_copy_only=False)
    return [None if missing else value for value, missing in zip(filled, absent, strict=True)]


def _list_rows(column: pa.Array) -> NDArray[Any] | list[Any]:
    """Take lists apart: one array where they have one length and no row is absent, else row by row."""
    inner = _rows(column.flatten())
    absent = column.is_null().to_numpy(zero_copy_only=False)
    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    if pa.types.is_fixed_size_list(column.type):
        lengths = np.where(absent, 0, column.type.list_size)
    uniform = lengths.size > 0 and not absent.any() and bool((lengths == lengths[0]).all())
    if isinstance(inner, np.ndarray) and (uniform or lengths.size == 0):
        width = int(lengths[0]) if uniform else getattr(column.type, "list_size", 0)
        return inner.reshape(len(column), width, *inner.shape[1:])
    stops = np.cumsum(lengths)
    return [
        None if missing else _row(inner[stop - length : stop])
        for stop, length, missing in zip(stops, lengths, absent, strict=True)
    ]


def _row(values: Any) -> Any:
    if isinstance(values, np.ndarray) or any(value is None or isinstance(value, list) for value in values):
        return values
    if len({np.shape(value) for value in values}) == 1:
        return np.asarray(values)
    return [np.asarray(value).tolist() for value in values]


def _metadata_shape(field: pa.Field) -> tuple[int, ...] | None:
    text = (field.metadata or {}).get(b"shape")
    if text is None:
        return None
    try:
        dims = json.loads(text.decode("utf-8").strip().replace("(", "[").replace(")", "]").replace(",]", "]"))
    except ValueError as error:
        raise TypeError(f"metadata shape {text!r} is no list of numbers, such as [3, 63, 63]") from error
    if not isinstance(dims, list) or not all(type(dim) is int and dim >= 0 for dim in dims):
        raise TypeError(f"metadata shape {text!r} is no list of numbers, such as [3, 63, 63]")
    return tuple(dims)


def _reshaped(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        return values.reshape(shape)
    except ValueError:
        return values  # the contract's check names both shapes


def _output_field(output: Output) -> pa.Field:
    kind = pa.string() if output.dtype == "str" else pa.from_numpy_dtype(np.dtype(output.dtype))
    for dim in reversed(output.shape[1:]):
        kind = pa.list_(kind, dim) if isinstance(dim, int) else pa.list_(kind)
    return pa.field(output.name, kind)


def _as_arrow(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Nest an array (N, ...) into lists from the innermost axis outwards; the values are not copied."""
    depth, inner = 0, kind
    while pa.types.is_list(inner) or pa.types.is_fixed_size_list(inner):
        depth, inner = depth + 1, inner.value_type
    flat = np.ascontiguousarray(values).reshape(-1)
    column = pa.array(flat.tolist() if flat.dtype.kind in "OU" else flat, inner)
    kinds = [kind]
    while len(kinds) < depth:
        kinds.append(kinds[-1].value_type)
    for axis in range(depth, 0, -1):
        width, count = values.shape[axis], int(np.prod(values.shape[:axis]))
        if pa.types.is_fixed_size_list(kinds[axis - 1]):
            column = pa.FixedSizeListArray.from_arrays(column, width)
        else:
            offsets = pa.array(np.arange(count + 1, dtype=np.int32) * np.int32(width))
            column = pa.ListArray.from_arrays(offsets, column)
    return column.cast(kind) if column.type != kind else column


def _explained(error: BaseException) -> str:
    said = _first_line(error)
    if said.startswith("Expected all lists to be of size"):
        # https://github.com/apache/arrow/issues/35692
        return "a null among lists of fixed size, which pyarrow cannot read; give that row NaNs, or use plain lists"
    return f"{said}; the file seems damaged, write it again"


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
