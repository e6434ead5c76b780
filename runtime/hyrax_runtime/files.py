"""Files of rows in, files of outputs out: `.npz` here, Parquet in `hyrax_runtime.arrow`. Row order is kept.

Arrays and columns are named `friendly/field`, or `field` where that is unambiguous; the first axis is rows; ids stand
in the field that training took them from, or in `object_id`, unless told. Outputs are written beside their ids, to a
temporary file that takes its name when complete.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hyrax_runtime.contract import OBJECT_ID, InputContract
from hyrax_runtime.contract_check import ASKED_ABSENT, DataDict, nest
from hyrax_runtime.errors import DataFileError, MissingExtraError, OutputFileError, Problem, UsageError, describe
from hyrax_runtime.manifest import Output
from hyrax_runtime.nearest import nearest_name
from hyrax_runtime.outputs import Outputs, empty_outputs
from hyrax_runtime.parquet_folders import PARQUET_ENDINGS

ERROR_COLUMN = "error"


class RowsFile(Protocol):
    """An open file of rows that has every field of a contract.

    Attributes
    ----------
    rows : int
    notice : str
        What of a folder is not read, in one line; empty where all of it is.
    """

    rows: int
    notice: str

    def batches(self, size: int) -> Iterator[DataDict]:
        """Read the rows in order, `size` at a time, as `data_dict`s: one batch is held, and at least one given."""
        ...


class OutputsFile(Protocol):
    """An output file being written."""

    def write(self, outputs: Outputs) -> None:
        """Add one batch."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...

    def abandon(self) -> None:
        """Let go of the file, complete or not."""
        ...


def open_rows(path: str | os.PathLike[str], contract: InputContract, *, ids: str | None = None) -> RowsFile:
    """Open a `.npz` or Parquet file, told apart by its first bytes, or a folder of Parquet files.

    Parameters
    ----------
    path : path
    contract : InputContract
        Which fields are needed; other columns are left alone.
    ids : str, optional
        The column of ids. Unless told: the field that training took the ids from, else `object_id`.

    Raises
    ------
    DataFileError
        The file is missing, unreadable or neither; or lacks columns: all of them are named, each with the nearest.
    MissingExtraError
        A Parquet file, and pyarrow is not installed.
    """
    at = Path(path)
    try:
        magic = b"PAR1" if at.is_dir() else _first_bytes(at)
    except OSError as error:
        raise DataFileError(f"{at}: {error.strerror or error}") from error
    if magic in (b"PK\x03\x04", b"PK\x05\x06"):
        return NpzRows(at, contract, ids)
    if magic == b"PAR1":
        require_arrow("reading Parquet")
        from hyrax_runtime.arrow import ParquetRows

        return ParquetRows(at, contract, ids)
    raise DataFileError(f"{at}: neither a .npz nor a Parquet file; save the rows with numpy.savez or as Parquet")


def _first_bytes(path: Path) -> bytes:
    if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe that nobody writes to would wait for ever
        raise DataFileError(f"{path}: is no regular file; save the rows with numpy.savez or as Parquet")
    with path.open("rb") as file:
        return file.read(4)


class NpzRows:
    """A `.npz` file: each array that is needed is read whole."""

    def __init__(self, path: Path, contract: InputContract, ids: str | None) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}
        self.notice = ""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
                for place, name in choose_columns(path, held.files, contract, ids).items():
                    self._arrays[place] = _read_array(held, path, name)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
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


def choose_columns(path: Path, names: Sequence[str], contract: InputContract, ids: str | None) -> dict[str, str]:
    """Return which column holds what: path of a field, or `object_id`, to column name.

    Raises
    ------
    DataFileError
        Fields that `to_tensor` reads are missing or there twice, or so is the column of ids that was asked for; or
        there are fields that it asks for and that were not there when it was proven.
    """
    short = [field.field for field in contract.fields if field.path != OBJECT_ID]
    taken = [field.path for field in contract.read]
    id_column = _id_column(names, contract, ids)
    chosen: dict[str, str] = {}
    problems: list[Problem] = []
    for field in contract.read:
        ways = [field.path, *([field.field] if short.count(field.field) == 1 else [])]
        if field.path == OBJECT_ID:
            ways = [id_column]
        found = [name for name in names if name in ways]
        if len(found) == 1:
            chosen[field.path] = found[0]
        elif found:
            problems.append(Problem(field.path, f"stands in the file {_twice(found)}; keep the one that is meant"))
        elif field.path != OBJECT_ID or ids is None:
            problems.append(Problem(field.path, _missing_column(ways, names, taken)))
    held = names.count(id_column)
    if held == 0 and ids is not None:
        problems.append(Problem("ids", _missing_column([ids], names)))
    elif held > 1 and OBJECT_ID not in taken:
        problems.append(Problem("ids", f"{id_column!r} stands in the file {held} times; keep the one that is meant"))
    elif held == 1:
        chosen.setdefault(OBJECT_ID, id_column)
    problems += [Problem(asked, ASKED_ABSENT) for asked in contract.asked_absent if _has_column(names, asked, short)]
    if problems:
        raise DataFileError(describe(str(path), problems))
    return chosen


def _has_column(names: Sequence[str], path: str, taken: Sequence[str]) -> bool:
    """Whether a column stands for what is no field of the contract, or for a data set of that name."""
    short = path.rpartition("/")[2]
    return any(name in (path, short) or name.startswith(f"{path}/") for name in names if name not in taken)


def _id_column(names: Sequence[str], contract: InputContract, asked: str | None) -> str:
    """The column of ids: the one asked for, else the field that training took them from, else `object_id`."""
    if asked is not None:
        return asked
    trained = contract.id_field or OBJECT_ID
    return next((name for name in (trained, trained.rpartition("/")[2]) if name in names), OBJECT_ID)


def _twice(found: Sequence[str]) -> str:
    return f"as {' and as '.join(map(repr, found))}"


def write_outputs(
    path: str | os.PathLike[str], batches: Iterable[Outputs], declared: Sequence[Output], *, with_errors: bool = False
) -> int:
    """Write outputs, ids beside them, batch by batch; return the number of rows.

    Parquet is streamed; `.npz` is held until its end, since its arrays state their length first. With `with_errors` a
    column `error` says why a row was refused, empty where it was not.

    Raises
    ------
    UsageError
        The name ends in neither `.npz` nor `.parquet`.
    OutputFileError
        The file cannot be written. As with any other error on the way, no file is left and an older one stays.
    """
    make = _writer_for(Path(path))
    for name in {OBJECT_ID, ERROR_COLUMN} & {output.name for output in declared}:
        raise OutputFileError(f"{path}: an output is called {name!r}, as the column beside the outputs is")
    rows = 0
    with _new_file(Path(path)) as temporary:
        file = make(temporary, declared, with_errors)
        try:
            for outputs in batches:
                rows += len(next(iter(outputs.values())))
                with _named(path):
                    file.write(outputs)
            with _named(path):
                file.close()
        finally:
            file.abandon()
    return rows


class NpzOutputs:
    """Outputs on their way to a `.npz` file."""

    def __init__(self, path: Path, declared: Sequence[Output], with_errors: bool) -> None:
        self._path = path
        self._declared = declared
        self._with_errors = with_errors
        self._columns: dict[str, list[Any]] = {}

    def write(self, outputs: Outputs) -> None:
        """Keep one batch."""
        rows = len(next(iter(outputs.values())))
        if outputs.object_id is not None:
            self._columns.setdefault(OBJECT_ID, []).append(_id_array(outputs.object_id))
        for name, array in outputs.items():
            self._columns.setdefault(name, []).append(array.astype(np.str_) if array.dtype.kind == "O" else array)
        if self._with_errors:
            self._columns.setdefault(ERROR_COLUMN, []).append(np.array(error_texts(outputs, rows), dtype=np.str_))

    def close(self) -> None:
        """Write all of it; a file of no batch at all still has its outputs."""
        if not self._columns:
            self.write(Outputs(empty_outputs(self._declared)))
        columns = {name: _joined(name, parts) for name, parts in self._columns.items()}
        # numpy.savez takes the names as arguments, and so cannot write an output called "file"
        with zipfile.ZipFile(self._path, "w", zipfile.ZIP_STORED) as archive:
            for name, array in columns.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)

    def abandon(self) -> None:
        """Let go of what was kept."""
        self._columns = {}


def error_texts(outputs: Outputs, rows: int) -> list[str]:
    """Return why each row was refused, in one line; empty where it was not."""
    return [str(outputs.errors[row]).replace("\n", " ") if row in outputs.errors else "" for row in range(rows)]


def require_arrow(purpose: str) -> None:
    """Raise MissingExtraError unless pyarrow is installed; imports nothing."""
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingExtraError(f"{purpose} needs pyarrow: pip install 'hyrax-runtime[arrow]'")


def _read_array(held: Any, path: Path, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = held[name]
    except ValueError as error:
        raise DataFileError(f"{path}: array {name!r} cannot be read without running pickle ({error})") from error
    if array.ndim == 0:
        raise DataFileError(f"{path}: array {name!r} is a single value; the first axis must be the rows")
    return array


def _missing_column(ways: Sequence[str], names: Sequence[str], taken: Iterable[str] = ()) -> str:
    free = [name for name in names if name not in set(taken)]
    near = next(filter(None, (nearest_name(way, free) for way in reversed(ways))), None)
    hint = f"did you mean {near!r}?" if near else f"the file has {', '.join(names) or 'no columns'}"
    return f"no column {' or '.join(map(repr, ways))}; {hint}"


def _writer_for(path: Path) -> Callable[[Path, Sequence[Output], bool], OutputsFile]:
    if path.suffix == ".npz":
        return NpzOutputs
    if path.suffix in PARQUET_ENDINGS:
        require_arrow("writing Parquet")
        from hyrax_runtime.arrow import ParquetOutputs

        return ParquetOutputs
    raise UsageError(f"{path}: outputs are written as .npz or .parquet; give a name that ends in one of them")


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, which becomes `path` at the end, or is removed."""
    path = path.resolve()  # a link at this place goes on pointing to what is written
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    if path.is_dir():
        raise OutputFileError(f"{path}: is a folder; give a file name, such as {path / 'scores.parquet'}")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        if path.exists():
            temporary.chmod(stat.S_IMODE(path.stat().st_mode) | stat.S_IWUSR)
    except OSError as error:
        raise OutputFileError(f"{path}: cannot be written ({error.strerror})") from error
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn a full disk or a lost folder into an error that names the file."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise OutputFileError(f"{path}: cannot be written ({reason}); nothing is left of it") from error


def _id_array(ids: Any) -> NDArray[Any]:
    ids = ids.to_pylist() if hasattr(ids, "to_pylist") else ids
    array = np.asarray(ids)
    if array.dtype.kind in "SU" and any(each[-1:] in ("\0", b"\0") for each in ids):
        raise OutputFileError("the ids cannot stand in a .npz file: one ends in a zero byte, which numpy cuts off")
    if array.dtype.hasobject:
        absent = [row for row, each in enumerate(ids) if each is None]
        what = f"{len(absent)} of {len(ids)} rows have none" if absent else "they are not all of one type"
        raise OutputFileError(f"the ids cannot stand in a .npz file: {what}; fill the column, or write .parquet")
    return array


def _joined(name: str, parts: list[Any]) -> NDArray[Any]:
    shapes = {part.shape[1:] for part in parts}
    if len(shapes) > 1:
        listed = " and ".join(str(shape) for shape in sorted(shapes))
        raise OutputFileError(f"output {name}: rows of shape {listed} make no one array; write .parquet instead")
    return np.concatenate(parts)
