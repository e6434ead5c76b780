"""Parquet files, read row by row in any order, without being held in memory."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    """The columns of a Parquet file, or of all `*.parquet` and `*.pq` files of a folder in the order of their names.

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
        Nothing is there, or a file is no Parquet. On reading a column: the files of a folder differ in it.
    """

    def __init__(self, data_location: str | None) -> None:
        if not data_location:  # an empty path would be the current folder
            raise DataError("ParquetDataset: data_location is not set; give a .parquet file, or a folder of them")
        self._files = [_read_footer(path) for path in _find_files(Path(data_location))]
        self._leaves, self._unlike = _share_columns(self._files)
        self._columns: dict[str, Any] = {}
        self._left = MEMORY_BYTES
        self.units = _metadata(self._leaves, b"unit")
        self.descriptions = _metadata(self._leaves, b"description")
        fields = (*self._leaves, *self._unlike)
        for field in fields:
            setattr(self, f"get_{field}", partial(self._row, field))
        if "object_id" not in fields:
            self.get_object_id = np.int64

    def __len__(self) -> int:
        return sum(file.rows for file in self._files)

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

        if field in self._unlike:
            raise DataError(f"{self._unlike[field]}, or leave it out of `fields`")
        shared, paths = self._leaves[field].field, [file.path for file in self._files]
        where = f"{paths[0].parent if len(paths) > 1 else paths[0]}: column {field}"
        column = RowColumn(parse_column_type(shared, where), where, self._left)
        log.info("%s: laying out %d rows for reading in any order", where, len(self))
        for file in self._files:
            for array in _read_batches(file.path, file.leaves[field], shared.type, column.column.row_bytes):
                column.append(array)
        column.finish()
        self._left = max(0, self._left - column.memory_bytes)
        return column


@dataclass(frozen=True)
class _File:
    """One file: its columns by their dotted names, those that stand there more than once, and how many rows it has."""

    path: Path
    leaves: dict[str, Leaf]
    twice: frozenset[str]
    rows: int


def _find_files(location: Path) -> list[Path]:
    from hyrax_runtime.parquet_folders import find_parquet_files

    try:
        found = find_parquet_files(location)
        location.stat()
    except OSError as error:
        reason = "no such file or folder" if isinstance(error, FileNotFoundError) else os.strerror(error.errno or 0)
        raise DataError(f"{location}: {reason}; check data_location") from error
    if not found.files:
        raise DataError(f"{location}: no *.parquet file in this folder; check data_location")
    if found.notice:
        log.warning("%s", found.notice)
    return list(found.files)


def _read_footer(path: Path) -> _File:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from hyrax_runtime.arrow_columns import find_leaves
    from hyrax_runtime.parquet_folders import why_no_file

    if fault := why_no_file(path):
        raise DataError(f"{path}: {fault}")
    try:
        with pq.ParquetFile(path) as file:
            found, rows = list(find_leaves(file.schema_arrow)), file.metadata.num_rows
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: is no readable Parquet file: {_first_line(error)}") from error
    names = [leaf.name for leaf in found]
    twice = frozenset(name for name in names if names.count(name) > 1)
    return _File(path, {leaf.name: leaf for leaf in found}, twice, rows)


def _share_columns(files: Sequence[_File]) -> tuple[dict[str, Leaf], dict[str, str]]:
    """Return the columns that all files share, and why each of the others is none of them."""
    from hyrax_runtime.shared_columns import share_column

    shared: dict[str, Leaf] = {}
    unlike: dict[str, str] = {}
    for name in dict.fromkeys(name for file in files for name in file.leaves):
        try:
            for file in files:
                if name not in file.leaves or name in file.twice:
                    fault = "stands there twice; keep the one that is meant" if name in file.twice else "is not there"
                    raise TypeError(f"{file.path}: column {name!r} {fault}")
            shared[name] = share_column([(file.path, file.leaves[name]) for file in files])
        except TypeError as error:
            unlike[name] = str(error)
    return shared, unlike


def _read_batches(path: Path, leaf: Leaf, kind: Any, row_bytes: int | None) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from hyrax_runtime.arrow_columns import descend, storage_name
    from hyrax_runtime.shared_columns import as_type

    recast = not leaf.field.type.equals(kind)
    try:
        with pq.ParquetFile(path, buffer_size=2**20, pre_buffer=False, page_checksum_verification=True) as file:
            columns = [storage_name(leaf, file)]
            for batch in file.iter_batches(_batch_rows(file, row_bytes), columns=columns, use_threads=False):
                values = descend(batch.column(0), leaf.parts[1:])
                yield as_type(values, kind) if recast else values
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
    from hyrax_runtime.arrow_columns import metadata_text

    said = {name: metadata_text(leaf.field, key) for name, leaf in leaves.items()}
    return {name: text for name, text in said.items() if text is not None}


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
