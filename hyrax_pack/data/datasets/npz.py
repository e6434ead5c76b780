"""Arrays in one `.npz` file, one for each field, rows first."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hyrax_runtime.npz_files import UNREADABLE
from numpy.typing import NDArray

from hyrax_pack.errors import DataError, Problem, describe


class NpzDataset:
    """The arrays of a `.npz` file, named `field` or `friendly/field`, first axis rows; ids in `object_id`.

    An array is read into memory when a row of it is first asked for. Without `object_id` a row's id is its number.

    Parameters
    ----------
    data_location : str
        The file.
    friendly : str or None
        Of arrays called `friendly/field`, only those of this data set are taken.

    Raises
    ------
    DataError
        No file, no `.npz`, or arrays without rows, of differing lengths, or of Python objects: all of them at once.
    """

    def __init__(self, data_location: str | None, friendly: str | None = None) -> None:
        if data_location is None:
            raise DataError("NpzDataset: data_location is not set; give the .npz file")
        self._path = Path(data_location)
        self._keys, self._shapes = _read_headers(self._path, friendly)
        self._arrays: dict[str, NDArray[Any]] = {}
        self.row_shapes = {field: shape[1:] for field, shape in self._shapes.items()}
        for field in self._keys:
            setattr(self, f"get_{field}", partial(self._row, field))
        if "object_id" not in self._keys:
            self.get_object_id = np.int64

    def __len__(self) -> int:
        return next(iter(self._shapes.values()))[0] if self._shapes else 0

    def _row(self, field: str, row: int) -> Any:
        value = self._array(field)[row]
        if isinstance(value, np.ndarray):
            return value.copy()
        return str(value) if isinstance(value, np.str_) else value

    def _array(self, field: str) -> NDArray[Any]:
        if field not in self._arrays:
            try:
                with np.load(self._path, allow_pickle=False) as archive:
                    self._arrays[field] = archive[self._keys[field]]
            except (MemoryError, *UNREADABLE) as error:
                raise DataError(f"{self._path}: array '{self._keys[field]}' cannot be read: {error}") from error
        return self._arrays[field]


def _read_headers(path: Path, friendly: str | None) -> tuple[dict[str, str], dict[str, tuple[int, ...]]]:
    """Return field to key and field to shape, without reading the values."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            if twice := {name for name in members if members.count(name) > 1}:
                raise DataError(f"{path}: {', '.join(sorted(twice))} stands there twice; keep the one that is meant")
            headers = {name.removesuffix(".npy"): _read_header(archive, name) for name in members}
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; check data_location") from error
    except UNREADABLE as error:
        raise DataError(f"{path}: is no readable .npz file: {error}") from error
    keys = _fields(path, list(headers), friendly)
    chosen = {field: headers[key] for field, key in keys.items()}
    problems = list(_header_problems(chosen))
    if problems:
        raise DataError(describe(str(path), problems))
    return keys, {field: shape for field, (shape, _dtype) in chosen.items()}


def _read_header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with archive.open(name) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _fortran, dtype = read(member)
        return shape, dtype


def _fields(path: Path, keys: list[str], friendly: str | None) -> dict[str, str]:
    """Take `field`, and `friendly/field` of our own data set; of two keys for one field, the longer is meant."""
    found: dict[str, str] = {}
    for key in sorted(keys, key=lambda name: name.count("/")):
        owner, _, field = key.rpartition("/")
        if owner and friendly is not None and owner != friendly and any(k.startswith(f"{friendly}/") for k in keys):
            continue
        if owner and field in found and "/" in found[field]:
            raise DataError(f"{path}: '{found[field]}' and '{key}' are both the field '{field}'; keep one")
        found[field] = key
    return {key.rpartition("/")[2]: key for key in keys if found.get(key.rpartition("/")[2]) == key}


def _header_problems(headers: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> list[Problem]:
    problems = []
    lengths = {field: shape[0] for field, (shape, _) in headers.items() if shape}
    usual = max(lengths.values(), key=list(lengths.values()).count, default=0)
    for field, (shape, dtype) in headers.items():
        if not shape:
            problems.append(Problem(field, "is a single value; expected an array whose first axis is rows"))
        elif shape[0] != usual:
            problems.append(Problem(field, f"has {shape[0]} rows; the others have {usual}"))
        if dtype.hasobject:
            problems.append(Problem(field, "holds Python objects; save numbers of one dtype, or text as '<U'"))
    return problems
