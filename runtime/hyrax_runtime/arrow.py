"""Parquet files, or folders of them, in batches. Needs the extra `arrow`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hyrax_runtime.arrow_columns import (
    Leaf,
    column_rows,
    descend,
    empty_column,
    find_leaves,
    first_line,
    metadata_text,
    storage_name,
)
from hyrax_runtime.columns import unit_fault
from hyrax_runtime.contract import OBJECT_ID, FieldContract, InputContract
from hyrax_runtime.contract_check import DataDict, nest
from hyrax_runtime.errors import DataFileError, Problem, describe
from hyrax_runtime.file_columns import choose_columns
from hyrax_runtime.frozen import Frozen
from hyrax_runtime.parquet_folders import FoundFiles, find_parquet_files, why_no_file
from hyrax_runtime.shared_columns import as_type, share_column, without_null_type


class _Part(Frozen):
    """One file of the table: its footer, and which of its columns holds what."""

    path: Path
    schema: Any
    rows: int
    columns: dict[str, Leaf]
    stored: tuple[str, ...]


class ParquetRows:
    """A Parquet file, or those of a folder in the order of their names, read batch by batch."""

    def __init__(self, path: Path, contract: InputContract, ids: str | None) -> None:
        try:
            found = find_parquet_files(path)
        except OSError as error:
            raise DataFileError(f"{path}: {error.strerror or error}") from error
        if not found.files:
            raise DataFileError(f"{path}: no *.parquet file in this folder{_instead(found)}")
        self.notice = found.notice
        self._path = path
        self._fields = {field.path: field for field in contract.read}
        self._parts = [_read_footer(each, contract, ids) for each in found.files]
        _refuse_other_ids(self._parts)
        for part in self._parts:
            self._refuse_other_units(part)
        self._columns = {place: self._shared_column(place) for place in self._parts[0].columns}
        self.rows: int = sum(part.rows for part in self._parts)

    def batches(self, size: int) -> Iterator[DataDict]:
        """Read the needed columns, exactly `size` rows at a time but for the last. No rows are one batch of none."""
        try:
            for columns in self._whole_batches(min(size, max(1, self.rows))):
                yield nest({place: self._rows_of(place, column) for place, column in columns.items()})
        except (pa.ArrowException, OSError) as error:
            raise DataFileError(f"{self._path}: reading stopped: {_explained(error)}") from error

    def _whole_batches(self, size: int) -> Iterator[dict[str, pa.Array]]:
        """Put together what pyarrow cuts at the ends of row groups, dictionaries and files: a batch is a unit."""
        if not self.rows:
            yield {place: empty_column(leaf.field.type) for place, leaf in self._columns.items()}
            return
        held: dict[str, list[pa.Array]] = {place: [] for place in self._columns}
        rows = 0
        for part, piece in self._pieces(size):
            start = 0
            while start < piece.num_rows:
                taken = min(size - rows, piece.num_rows - start)
                for place, leaf in part.columns.items():
                    column = piece.column(leaf.parts[0]).slice(start, taken)
                    held[place].append(self._as_shared(place, leaf, descend(column, leaf.parts[1:])))
                start, rows = start + taken, rows + taken
                if rows == size:
                    yield {place: _joined(parts) for place, parts in held.items()}
                    held, rows = {place: [] for place in self._columns}, 0
        if rows:
            yield {place: _joined(parts) for place, parts in held.items()}

    def _pieces(self, size: int) -> Iterator[tuple[_Part, pa.RecordBatch]]:
        """Read file after file; one is open at a time, since a folder may hold more than a process may open."""
        for part in self._parts:
            with _open(part.path) as file:
                if file.metadata.num_rows != part.rows or not file.schema_arrow.equals(
                    part.schema, check_metadata=True
                ):
                    raise DataFileError(f"{part.path}: was written anew while it was being read; run it again")
                for piece in file.iter_batches(size, columns=list(part.stored)):
                    yield part, piece

    def _as_shared(self, place: str, leaf: Leaf, values: pa.Array) -> pa.Array:
        kind = self._columns[place].field.type
        return values if leaf.field.type.equals(kind) else as_type(values, kind)

    def _shared_column(self, place: str) -> Leaf:
        """What a column is in all files; where it holds nothing but null, what the contract says."""
        try:
            leaf = share_column([(part.path, part.columns[place]) for part in self._parts])
            field = self._fields.get(place)
            return leaf if field is None else Leaf(leaf.parts, leaf.field.with_type(_typed(leaf.field.type, field)))
        except TypeError as error:
            raise DataFileError(str(error)) from error

    def _rows_of(self, place: str, column: pa.Array) -> Any:
        leaf, field = self._columns[place], self._fields.get(place)
        try:
            if field is None:
                return _ids_of(column, leaf)
            rows = column_rows(column, leaf.field)
        except (TypeError, UnicodeDecodeError) as error:
            said = "a text that is no UTF-8; write it as UTF-8, or as bytes" if isinstance(error, ValueError) else error
            raise DataFileError(f"{self._path}: column {leaf.name!r}: {said}") from error
        return _with_empty_rows(rows, field) if field.kind == "ragged" else rows

    def _refuse_other_units(self, part: _Part) -> None:
        problems = []
        for place, leaf in part.columns.items():
            unit, field = metadata_text(leaf.field, b"unit"), self._fields.get(place)
            if field is not None and unit_fault(unit, field):
                fault = f"is in {unit} where {field.unit} is recorded; convert it, and its metadata `unit`"
                problems.append(Problem(place, f"column {leaf.name!r} {fault}"))
        if problems:
            raise DataFileError(describe(str(part.path), problems))


def _read_footer(path: Path, contract: InputContract, ids: str | None) -> _Part:
    with _open(path) as file:
        leaves = list(find_leaves(file.schema_arrow))
        chosen = choose_columns(path, [leaf.name for leaf in leaves], contract, ids)
        by_name = {leaf.name: leaf for leaf in leaves}
        columns = {place: by_name[name] for place, name in chosen.items()}
        stored = sorted({storage_name(leaf, file) for leaf in columns.values()})
        return _Part(path, file.schema_arrow, file.metadata.num_rows, columns, tuple(stored))


def _open(path: Path) -> pq.ParquetFile:
    if fault := why_no_file(path):
        raise DataFileError(f"{path}: {fault}")
    try:
        return pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise DataFileError(f"{path}: cannot be opened ({os.strerror(error.errno)})") from error
        raise DataFileError(f"{path}: not a readable Parquet file ({first_line(error)}); write it again") from error


def _instead(found: FoundFiles) -> str:
    return f"; it holds {', '.join(found.left_out[:3])}" if found.left_out else ""


def _refuse_other_ids(parts: Sequence[_Part]) -> None:
    """Ids of one file beside rows without any, or beside ids of another kind, would be taken for what they are not."""
    names = [part.columns[OBJECT_ID].name if OBJECT_ID in part.columns else None for part in parts]
    for part, name in zip(parts, names, strict=True):
        if name != names[0]:
            here, there = (f"in {each!r}" if each else "nowhere" for each in (name, names[0]))
            raise DataFileError(f"{part.path}: ids stand {here} here and {there} in {parts[0].path.name}")


def _typed(kind: Any, field: FieldContract) -> Any:
    """A column of nothing but null has no type; it holds missing values of the recorded one."""
    texts = {"string": pa.string(), "bytes": pa.binary()}
    try:
        value = texts[field.kind] if field.kind in texts else pa.from_numpy_dtype(np.dtype(field.dtype))
    except pa.ArrowNotImplementedError:  # complex numbers
        return kind
    return without_null_type(kind, value, len(field.shape))


def _joined(parts: list[pa.Array]) -> pa.Array:
    if len(parts) == 1:
        return parts[0]
    return pa.concat_arrays(
        [part.dictionary_decode() if isinstance(part, pa.DictionaryArray) else part for part in parts]
    )


def _ids_of(column: pa.Array, leaf: Leaf) -> Any:
    """Ids are handed through: as numbers or texts where every row has one, else as the Arrow column that they are.

    Both become one type in a table, whichever of the two a batch has.
    """
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if column.null_count == 0 and not pa.types.is_nested(column.type):
        try:
            return column_rows(column, leaf.field)
        except TypeError:  # dates, decimals
            pass
    for text in column if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) else ():
        text.as_py()  # a text that is no UTF-8 is found here, and not in the middle of the table of outputs
    return column.cast(_plain_text(column.type))


def _plain_text(kind: pa.DataType) -> pa.DataType:
    """What pyarrow makes of Python's texts, whatever a file calls them."""
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    bytes_like = pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind)
    return pa.binary() if bytes_like else kind


def _with_empty_rows(rows: Any, field: FieldContract) -> list[Any]:
    """A null list is a list of nothing, and so has the other axes of the contract, which no value shows."""
    nothing = np.empty(tuple(0 if isinstance(dim, str) else dim for dim in field.shape), dtype=field.dtype)
    free_first = isinstance(field.shape[0], str)
    return [nothing if free_first and (row is None or len(row) == 0) else row for row in rows]


def _explained(error: BaseException) -> str:
    said = first_line(error)
    if said.startswith("Expected all lists to be of size"):
        # https://github.com/apache/arrow/issues/35692
        return "a null among lists of fixed size, which pyarrow cannot read; give that row NaNs, or use plain lists"
    return f"{said}; the file seems damaged, write it again"
