"""A file of rows in the place of a data set: for models whose data set is not at hand."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from hyrax_pack.config import load_config
from hyrax_pack.data import DataProvider
from hyrax_pack.errors import DataError

FRIENDLY = "data"
READERS = {".npz": "NpzDataset", ".parquet": "ParquetDataset"}


def open_rows(
    file: Path,
    form: Literal["list", "stacked"] = "list",
    *,
    labels: Sequence[str] = ("label",),
    fields: Sequence[str] = (),
) -> DataProvider:
    """Open a `.npz` or `.parquet` file as the data of a configuration.

    Arrays are called `field`, or `friendly/field` where there are several data sets; ids stand in `object_id`. Without
    a friendly name the data set is called `data`.

    Parameters
    ----------
    file : Path
    form : str
        What to_tensor is called with: `list` or `stacked`.
    labels : sequence of str
        Fields that are not there at inference.
    fields : sequence of str
        The only ones to read, as `field` or `friendly/field`, where not all are.

    Raises
    ------
    DataError
        The file is missing, of another kind, or cannot be read.
    """
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise DataError(f"{file}: rows come as {' or '.join(READERS)}, not as {file.suffix or 'a file without ending'}")
    if not file.is_file():
        raise DataError(f"{file}: no such file")
    request: dict[str, Any] = {"dataset_class": reader, "data_location": str(file.absolute())}
    asked = _by_friendly_name(fields)
    friendly = list(asked) or (_friendly_names(file) if reader == "NpzDataset" else [FRIENDLY])
    requests = {name: request | ({"fields": asked[name]} if asked else {}) for name in friendly}
    requests[friendly[0]]["primary_id_field"] = "object_id"
    tables = {"model": {"labels": list(labels)}, "data_request": {"train": requests}, "split": {"train": 1.0}}
    return DataProvider(load_config(tables=tables), form)


def _by_friendly_name(fields: Sequence[str]) -> dict[str, list[str]]:
    """Which fields are asked for, by data set."""
    asked: dict[str, list[str]] = {}
    for path in fields:
        friendly, _, field = path.rpartition("/")
        asked.setdefault(friendly or FRIENDLY, []).append(field)
    return asked


def _friendly_names(file: Path) -> list[str]:
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{file}: is no readable .npz file: {error}") from error
    return sorted({name.partition("/")[0] for name in names if "/" in name}) or [FRIENDLY]
