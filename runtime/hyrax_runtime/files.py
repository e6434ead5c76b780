"""Files of rows in, files of outputs out, in the order of the rows: `npz_files`, or `arrow` and `arrow_outputs`.

Arrays and columns are named `friendly/field`, or `field` where that is unambiguous; the first axis is rows; ids stand
in the field that training took them from, or in `object_id`, unless told. Outputs are written beside their ids, to a
temporary file that takes its name when complete.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from hyrax_runtime.contract import OBJECT_ID, InputContract
from hyrax_runtime.contract_check import DataDict
from hyrax_runtime.errors import DataFileError, MissingExtraError, OutputFileError, UsageError
from hyrax_runtime.file_columns import ERROR_COLUMN
from hyrax_runtime.manifest import Output
from hyrax_runtime.npz_files import NpzOutputs, NpzRows
from hyrax_runtime.outputs import Outputs
from hyrax_runtime.parquet_folders import PARQUET_ENDINGS, find_parquet_files

_SHOWN = 50  # letters of a file's name that its temporary name shows: a name has room for 255 bytes


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


def check_not_read(out: str | os.PathLike[str], *read: str | os.PathLike[str]) -> None:
    """Raise UsageError where the file to write is one of those that are read: by this name, another, or in a folder."""
    for each in read:
        if _is_same(out, each):
            raise UsageError(f"{out} is the input itself; give the outputs another name")
        try:
            files = find_parquet_files(Path(each)).files
        except OSError:  # opening it says what is wrong
            continue
        if within := next((file for file in files if _is_same(out, file)), None):
            raise UsageError(f"{out} is {within}, which is read; give the outputs another name")


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
        The file cannot be written; or the ids cannot, or some rows have none. As with any other error on the way, no
        file is left and an older one stays.
    """
    make = _writer_for(Path(path))
    for name in {OBJECT_ID, ERROR_COLUMN} & {output.name for output in declared}:
        raise OutputFileError(f"{path}: an output is called {name!r}, as the column beside the outputs is")
    rows, with_ids = 0, None
    with _new_file(Path(path)) as temporary:
        file = make(temporary, declared, with_errors)
        try:
            for outputs in batches:
                with_ids = _check_ids(outputs, rows, with_ids)
                rows += len(next(iter(outputs.values())))
                with _named(path):
                    file.write(outputs)
            with _named(path):
                file.close()
        finally:
            file.abandon()
    return rows


def _check_ids(outputs: Outputs, before: int, with_ids: bool | None) -> bool:
    """Return whether a batch has ids, one for each row; the first batch decides for the others."""
    ids, rows = outputs.object_id, len(next(iter(outputs.values())))
    if ids is not None and len(ids) != rows:
        raise OutputFileError(f"{len(ids)} ids stand beside {rows} rows of outputs; give one for each")
    if with_ids is not None and with_ids != (ids is not None):
        now, then = ("ids", "none") if ids is not None else ("no ids", "some")
        raise OutputFileError(f"the rows from {before} on have {now}, and those before have {then}; give all or none")
    return ids is not None


def require_arrow(purpose: str) -> None:
    """Raise MissingExtraError unless pyarrow is installed; imports nothing."""
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingExtraError(f"{purpose} needs pyarrow: pip install 'hyrax-runtime[arrow]'")


def _writer_for(path: Path) -> Callable[[Path, Sequence[Output], bool], OutputsFile]:
    if path.suffix == ".npz":
        return NpzOutputs
    if path.suffix in PARQUET_ENDINGS:
        require_arrow("writing Parquet")
        from hyrax_runtime.arrow_outputs import ParquetOutputs

        return ParquetOutputs
    raise UsageError(f"{path}: outputs are written as .npz or .parquet; give a name that ends in one of them")


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, which becomes `path` at the end, or is removed."""
    try:
        mode = _mode_to_keep(path)
        place = path.resolve()  # a link at this place goes on pointing to what is written
        temporary = place.with_name(f".{place.name[:_SHOWN]}.{secrets.token_hex(4)}")
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        if mode is not None:
            temporary.chmod(mode)
    except (OSError, RuntimeError) as error:  # pathlib raises the latter for a loop of links, before Python 3.13
        raise OutputFileError(f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})") from error
    try:
        yield temporary
        with _named(path):
            _sync(temporary)
            temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)


def _mode_to_keep(path: Path) -> int | None:
    """Return the permissions of the file that is to be replaced; None where none stands there."""
    try:
        found = path.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found):
        raise OutputFileError(f"{path}: is a folder; give a file name, such as {path / 'scores.parquet'}")
    if not stat.S_ISREG(found):
        raise OutputFileError(f"{path}: is no regular file, and would be replaced by one; give another name")
    if not (found & stat.S_IWUSR and os.access(path, os.W_OK)):  # whoever is root may write to anything
        raise OutputFileError(f"{path}: is there already and read-only; make it writable, or give another name")
    return stat.S_IMODE(found)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_same(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121
    except OSError:  # one of them is not there, or no name that can be
        return False


@contextmanager
def _named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn a full disk or a lost folder into an error that names the file."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise OutputFileError(f"{path}: cannot be written ({reason}); nothing is left of it") from error
