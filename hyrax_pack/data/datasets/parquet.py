"""Parquet files, read row by row in any order, without being held in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hyrax_pack.errors import DataError

if TYPE_CHECKING:
    from hyrax_runtime.arrow_columns import Leaf

log = logging.getLogger(__name__)

# What all columns of one data set together keep in memory; beyond it they stand in a file (see `spool`).
MEMORY_BYTES = 64 * 2**20
# About so many bytes are decoded at a time while a column is laid out.
_BATCH_BYTES = 4 * 2**20


class ParquetDataset:
    """The columns of a Parquet file, or of all `*.parquet` files of a folder in the order of their names.

    A column's rows are laid out for random access when its first row is asked for: Parquet itself can only be read in
    blocks, and a shuffled epoch would decode a whole block for every row. Columns that nobody asks for are not read.
    The columns of a struct, and those of a list of structs, are called `<struct>.<column>`. Without `object_id` a row's
    id is its number.

    Parameters
    ----------
    data_location : str
        The file or folder.

    Raises
    ------
    DataError
        Nothing is there, a file is no Parquet, or the files of a folder have different columns.
    """

    def __init__(self, data_location: str | None) -> None:
        if data_location is None:
            raise DataError("ParquetDataset: data_location is not set; give a .parquet file, or a folder of them")
        from hyrax_runtime.arrow_columns import find_leaves

        self._paths = _find_files(Path(data_location))
        schema, self._counts = _read_footers(self._paths)
        self._leaves = {leaf.name: leaf for leaf in find_leaves(schema)}
        self._columns: dict[str, Any] = {}
        self._left = MEMORY_BYTES
        self.units = _metadata(self._leaves, b"unit")
        self.descriptions = _metadata(self._leaves, b"description")
        for field in self._leaves:
            setattr(self, f"get_{field}", partial(self._row, field))
        if "object_id" not in self._leaves:
            self.get_object_id = np.int64

    def __len__(self) -> int:
        return sum(self._counts)

    @property
    def row_shapes(self) -> dict[str, tuple[int, ...] | None]:
        """The row shape of every column that was read; None for rows of differing shape."""
        return {
            field: None if column.column.layout == "ragged" else column.column.shape or ()
            for field, column in self._columns.items()
        }

    def _row(self, field: str, row: int) -> Any:
        if field not in self._columns:
            self._columns[field] = self._lay_out(field)
        return self._columns[field].row(row)

    def _lay_out(self, field: str) -> Any:
        from hyrax_pack.data.datasets.columns import RowColumn, parse_column_type

        where = f"{self._paths[0].parent if len(self._paths) > 1 else self._paths[0]}: column {field}"
        column = RowColumn(parse_column_type(self._leaves[field].field, where), where, self._left)
        log.info("%s: laying out %d rows for reading in any order", where, len(self))
        for path in self._paths:
            for array in _read_batches(path, self._leaves[field], column.column.row_bytes):
                column.append(array)
        column.finish()
        self._left = max(0, self._left - column.memory_bytes)
        return column


def _find_files(location: Path) -> list[Path]:
    if location.is_dir():
        paths = sorted(location.glob("*.parquet"))
        if not paths:
            raise DataError(f"{location}: no *.parquet file in this folder; check data_location")
        return paths
    if not location.exists():
        raise DataError(f"{location}: no such file or folder; check data_location")
    return [location]


def _read_footers(paths: list[Path]) -> tuple[Any, list[int]]:
    """Return the schema that all files share, and the rows of each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    first: Any = None
    counts = []
    for path in paths:
        try:
            with pq.ParquetFile(path) as file:
                schema, count = file.schema_arrow, file.metadata.num_rows
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{path}: is no readable Parquet file: {_first_line(error)}") from error
        if first is not None and not schema.equals(first):
            raise DataError(f"{path}: its columns differ from those of {paths[0]}; {_first_difference(first, schema)}")
        first = first or schema
        counts.append(count)
    return first, counts


def _read_batches(path: Path, leaf: Leaf, row_bytes: int | None) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from hyrax_runtime.arrow_columns import descend, storage_name

    try:
        with pq.ParquetFile(path, buffer_size=2**20, pre_buffer=False) as file:
            columns = [storage_name(leaf, file)]
            for batch in file.iter_batches(_batch_rows(file, row_bytes), columns=columns, use_threads=False):
                yield descend(batch.column(0), leaf.parts[1:])
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: column {leaf.name} cannot be read: {_first_line(error)}") from error


def _batch_rows(file: Any, row_bytes: int | None) -> int:
    """How many rows are decoded at a time; where rows differ, the file's own size says how large they are at least."""
    metadata = file.metadata
    if row_bytes is None:
        size = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
        return int(max(1, min(1024, _BATCH_BYTES * metadata.num_rows // max(1, size))))
    return max(1, min(65_536, _BATCH_BYTES // max(1, row_bytes)))


def _metadata(leaves: dict[str, Leaf], key: bytes) -> dict[str, str]:
    said = {name: leaf.field.metadata or {} for name, leaf in leaves.items()}
    return {name: metadata[key].decode() for name, metadata in said.items() if key in metadata}


def _first_difference(one: Any, other: Any) -> str:
    for name in dict.fromkeys([*one.names, *other.names]):
        here, there = (schema.field(name).type if name in schema.names else "missing" for schema in (one, other))
        if here != there:
            return f"{name}: {here} there, {there} here"
    return "in the order of their columns"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
