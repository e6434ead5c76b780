"""`.npz` files: arrays in, arrays out. An array has one dtype and one shape of row; what fits neither is refused."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrax_runtime.contract import OBJECT_ID, InputContract
from hyrax_runtime.contract_check import DataDict, nest
from hyrax_runtime.errors import DataFileError, OutputFileError
from hyrax_runtime.file_columns import ERROR_COLUMN, choose_columns, error_texts
from hyrax_runtime.id_arrays import id_array, join_ids
from hyrax_runtime.manifest import Output
from hyrax_runtime.outputs import Outputs, empty_outputs, widened

# What numpy and zipfile raise: RuntimeError for a password, or for a compression that Python does not know.
UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


class NpzRows:
    """A `.npz` file: each array that is needed is read whole."""

    def __init__(self, path: Path, contract: InputContract, ids: str | None) -> None:
        self.notice = ""
        self._arrays: dict[str, NDArray[Any]] = {}
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
                for place, name in choose_columns(path, held.files, contract, ids).items():
                    self._arrays[place] = _read_array(held, path, name)
        except MemoryError as error:
            cure = "write the rows as Parquet, which is read in pieces"
            raise DataFileError(f"{path}: does not fit into memory ({error}); {cure}") from error
        except UNREADABLE as error:
            raise DataFileError(f"{path}: not a readable .npz file ({error}); write it again") from error
        counts = {len(array) for array in self._arrays.values()}
        if len(counts) > 1:
            listed = ", ".join(f"{place} has {len(array)}" for place, array in self._arrays.items())
            raise DataFileError(f"{path}: the arrays differ in their number of rows: {listed}")
        self.rows = counts.pop() if counts else 0

    def batches(self, size: int) -> Iterator[DataDict]:
        """Cut the arrays into batches; views, nothing is copied. A file of no rows is one batch of none."""
        for start in range(0, max(self.rows, 1), size):
            yield nest({place: array[start : start + size] for place, array in self._arrays.items()})


class NpzOutputs:
    """Outputs on their way to a `.npz` file."""

    def __init__(self, path: Path, declared: Sequence[Output], with_errors: bool) -> None:
        self._path = path
        self._declared = declared
        self._with_errors = with_errors
        self._columns: dict[str, list[Any]] = {}
        self._ids: list[NDArray[Any]] = []
        self._shapes: dict[str, tuple[int, ...]] = {}

    def write(self, outputs: Outputs) -> None:
        """Keep one batch."""
        rows = len(next(iter(outputs.values())))
        if outputs.object_id is not None:
            self._ids.append(id_array(outputs.object_id))
        for name, array in outputs.items():
            if len(outputs.errors) < rows:
                self._require_one_shape(name, array.shape[1:])
            self._columns.setdefault(name, []).append(array.astype(np.str_) if array.dtype.kind == "O" else array)
        if self._with_errors:
            self._columns.setdefault(ERROR_COLUMN, []).append(np.array(error_texts(outputs, rows), dtype=np.str_))

    def _require_one_shape(self, name: str, shape: tuple[int, ...]) -> None:
        first = self._shapes.setdefault(name, shape)
        if shape != first:
            raise OutputFileError(
                f"output {name}: rows of shape {first} and {shape} make no one array; write .parquet instead"
            )

    def close(self) -> None:
        """Write all of it; a file of no batch at all still has its outputs."""
        if not self._columns:
            self.write(Outputs(empty_outputs(self._declared)))
        columns = {OBJECT_ID: join_ids(self._ids)} if self._ids else {}
        for name, parts in self._columns.items():
            shape = self._shapes.get(name, parts[0].shape[1:])
            columns[name] = np.concatenate([widened(part, shape) for part in parts])
        # numpy.savez takes the names as arguments, and so cannot write an output called "file"
        with zipfile.ZipFile(self._path, "w", zipfile.ZIP_STORED) as archive:
            for name, array in columns.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)

    def abandon(self) -> None:
        """Let go of what was kept."""
        self._columns, self._ids = {}, []


def _read_array(held: Any, path: Path, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = held[name]
    except ValueError as error:
        why = "without running pickle" if "pickle" in str(error) else "as it stands there"
        raise DataFileError(f"{path}: array {name!r} cannot be read {why} ({error}); write it again") from error
    if not isinstance(array, np.ndarray):  # numpy hands on the bytes of what has no header
        raise DataFileError(f"{path}: {name!r} is no array of numpy; write it again with numpy.savez")
    if array.ndim == 0:
        raise DataFileError(f"{path}: array {name!r} is a single value; the first axis must be the rows")
    return array
