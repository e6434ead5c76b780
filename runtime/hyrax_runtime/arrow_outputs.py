"""Outputs as Arrow columns, and on their way to a Parquet file. Needs the extra `arrow`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hyrax_runtime.arrow_columns import first_line
from hyrax_runtime.contract import OBJECT_ID
from hyrax_runtime.errors import OutputFileError
from hyrax_runtime.file_columns import ERROR_COLUMN, error_texts
from hyrax_runtime.manifest import Output
from hyrax_runtime.outputs import Outputs


class ParquetOutputs:
    """Outputs on their way to a Parquet file, one row group per few batches."""

    def __init__(self, path: Path, declared: Sequence[Output], with_errors: bool) -> None:
        self._path = path
        self._declared = declared
        self._with_errors = with_errors
        self._writer: pq.ParquetWriter | None = None
        for output in declared:
            _output_field(output)  # refused before a night of work

    def write(self, outputs: Outputs) -> None:
        """Add one batch."""
        batch = outputs_batch(outputs, self._declared, with_errors=self._with_errors)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, batch.schema, write_page_checksum=True)
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


def outputs_batch(outputs: Outputs, declared: Sequence[Output], *, with_errors: bool = False) -> pa.RecordBatch:
    """Return one batch of outputs as Arrow columns: ids first, then each output, then `error` where asked for.

    Rows of more than one value are nested lists, of fixed size where the output's shape is.
    """
    arrays: list[pa.Array] = []
    fields: list[pa.Field] = []
    rows = len(next(iter(outputs.values())))
    if outputs.object_id is not None:
        try:
            arrays.append(_id_column(outputs.object_id))
        except (pa.ArrowException, OverflowError) as error:
            said = first_line(error)
            raise OutputFileError(f"the ids cannot stand in Parquet: {said}; give numbers or text") from error
        fields.append(pa.field(OBJECT_ID, arrays[-1].type))
    for output in declared:
        field = _output_field(output)
        fields.append(field)
        arrays.append(_as_arrow(output.name, outputs[output.name], field.type))
    if with_errors:
        arrays.append(pa.array([text or None for text in error_texts(outputs, rows)], pa.string()))
        fields.append(pa.field(ERROR_COLUMN, pa.string()))
    return pa.record_batch(arrays, schema=pa.schema(fields))


def _id_column(ids: Any) -> pa.Array:
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks()
    if isinstance(ids, pa.Array):
        return ids
    if isinstance(ids, np.ndarray):
        return pa.array(ids.tolist() if ids.dtype.kind in "US" else ids.astype(ids.dtype.newbyteorder("=")))
    try:
        return pa.array(ids)
    except OverflowError:
        return pa.array(ids, pa.uint64())


def _output_field(output: Output) -> pa.Field:
    if 0 in output.shape[1:]:
        raise OutputFileError(
            f"output {output.name}: rows of shape {output.shape[1:]} have no values; write .npz instead"
        )
    try:
        kind = pa.string() if output.dtype == "str" else pa.from_numpy_dtype(np.dtype(output.dtype))
    except pa.ArrowNotImplementedError as error:
        raise OutputFileError(f"output {output.name}: Parquet has no {output.dtype}; write .npz instead") from error
    for dim in reversed(output.shape[1:]):
        kind = pa.list_(kind, dim) if isinstance(dim, int) else pa.list_(kind)
    return pa.field(output.name, kind)


def _as_arrow(name: str, values: NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Nest an array (N, ...) into lists from the innermost axis outwards; the values are not copied."""
    depth, inner = 0, kind
    while pa.types.is_list(inner) or pa.types.is_fixed_size_list(inner):
        depth, inner = depth + 1, inner.value_type
    if values.size > np.iinfo(np.int32).max:  # which lists count in, and begin again at less than nothing
        cure = "give fewer rows at a time (--batch), or write .npz"
        raise OutputFileError(f"output {name}: {values.size} values are too many for one batch of Parquet; {cure}")
    flat = np.ascontiguousarray(values).reshape(-1)
    column = pa.array(flat.tolist() if flat.dtype.kind in "OU" else flat, inner)
    kinds = [kind]
    while len(kinds) < depth:
        kinds.append(kinds[-1].value_type)
    for axis in range(depth, 0, -1):
        width, count = values.shape[axis], math.prod(values.shape[:axis])
        if pa.types.is_fixed_size_list(kinds[axis - 1]):
            column = pa.FixedSizeListArray.from_arrays(column, width)
        else:
            offsets = pa.array(np.arange(count + 1, dtype=np.int32) * np.int32(width))
            column = pa.ListArray.from_arrays(offsets, column)
    return column.cast(kind) if column.type != kind else column
