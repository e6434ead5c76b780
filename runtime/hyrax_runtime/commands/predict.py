"""`hyrax-run predict`: a file of rows in, a file of outputs out, in the same order."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from hyrax_runtime.commands.options import add_running_options, settings_of
from hyrax_runtime.contract import InputContract
from hyrax_runtime.errors import BatchError, DataFileError, FieldsError, ReplayError, RunError, UsageError
from hyrax_runtime.files import check_not_read, open_rows, write_outputs
from hyrax_runtime.loading import open_predictor, proven_here
from hyrax_runtime.outputs import Outputs
from hyrax_runtime.predictor import Predictor
from hyrax_runtime.progress import Progress

BATCH_BYTES = 16 * 1024 * 1024  # of raw rows: enough to keep a core busy, little enough for a small machine
MOST_ROWS = 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("file", metavar="FILE", help="the .hyrax file")
    parser.add_argument(
        "data",
        metavar="DATA",
        help="a .npz or Parquet file, or a folder of Parquet; columns are named field or friendly/field",
    )
    parser.add_argument("-o", "--out", required=True, metavar="OUT", help="a .npz or .parquet file to write")
    parser.add_argument("--ids", metavar="NAME", help="the column of ids (unless told: training's own, else object_id)")
    parser.add_argument("--batch", type=int, metavar="N", help="rows at a time (by their size unless told)")
    parser.add_argument(
        "--on-error", default="raise", choices=("raise", "mask"),
        help="mask: a bad row gives NaN in its place, and its reason in the column error",
    )  # fmt: skip
    add_running_options(parser)
    parser.add_argument("--json", action="store_true", help="print the summary for programs")


def run(arguments: argparse.Namespace) -> int:
    """Predict; 0 when the file is written."""
    data, out = Path(arguments.data), Path(arguments.out)
    if not arguments.data:  # an unset variable of a shell would be the current folder
        raise UsageError("DATA is empty; give a .npz or Parquet file, or a folder of Parquet files")
    check_not_read(out, data, arguments.file)
    if arguments.batch is not None and arguments.batch < 1:
        raise UsageError(f"--batch {arguments.batch}: a whole number of at least 1")
    predictor = proven_here(open_predictor(arguments.file, arguments.trust, settings_of(arguments)))
    rows = open_rows(data, predictor.contract, ids=arguments.ids)
    if rows.notice:
        print(rows.notice, file=sys.stderr)
    size = batch_rows(predictor.contract, rows.rows, arguments.batch)
    progress = Progress(rows.rows)
    tally = _Tally(progress)
    outputs = tally.count(_predicted(predictor, rows.batches(size), data, size, arguments.on_error))
    try:
        written = write_outputs(out, outputs, predictor.manifest.outputs, with_errors=arguments.on_error == "mask")
    finally:
        progress.close()
    _print_summary(arguments, predictor, written, tally.refused)
    return 0


def batch_rows(contract: InputContract, rows: int, asked: int | None) -> int:
    """Return how many rows to read at a time: what was asked for, else by the size of a row.

    Raises
    ------
    BatchError
        The bundle's rows belong together, and fewer than all were asked for.
    """
    if contract.batch == "joint":
        if asked is not None and asked < rows:
            raise BatchError(f"--batch {asked}: this bundle's rows belong together, so all {rows} are one batch")
        return max(rows, 1)
    if asked is not None:
        return asked
    widths = (
        np.dtype(field.dtype).itemsize * math.prod(dim if isinstance(dim, int) else 256 for dim in field.shape)
        for field in contract.read
        if field.kind in ("array", "ragged")
    )
    return min(MOST_ROWS, max(1, BATCH_BYTES // max(1, sum(widths))))


class _Tally:
    """What has gone by: rows on the progress line, rows refused."""

    def __init__(self, progress: Progress) -> None:
        self.refused = 0
        self._progress = progress

    def count(self, batches: Iterable[Outputs]) -> Iterator[Outputs]:
        for outputs in batches:
            self.refused += len(outputs.errors)
            yield outputs
            self._progress.add(len(next(iter(outputs.values()))))


def _predicted(
    predictor: Predictor, batches: Iterator[dict[str, object]], data: Path, size: int, on_error: str
) -> Iterator[Outputs]:
    """Predict batch by batch, with rows numbered as the file numbers them."""
    try:
        for number, outputs in enumerate(predictor.stream(batches, on_error=on_error)):  # type: ignore[arg-type]
            for row, error in outputs.errors.items():
                if isinstance(error, FieldsError):
                    outputs.errors[row] = error.renumbered(number * size)
            yield outputs
    except FieldsError as error:
        plain = error.renumbered((error.batch or 0) * size)
        raise DataFileError(f"{data}: {plain}") from error
    except (ReplayError, RunError) as error:
        if error.batch is None:
            raise
        first = error.batch * size
        error.batch = None
        cure = "" if predictor.contract.batch == "joint" else "; --on-error mask finds the row, and predicts the others"
        raise DataFileError(f"{data}: one of the rows {first} to {first + size - 1}: {error}{cure}") from error


def _print_summary(arguments: argparse.Namespace, predictor: Predictor, rows: int, refused: int) -> None:
    if arguments.json:
        names = [output.name for output in predictor.manifest.outputs]
        print(
            json.dumps(
                {"out": arguments.out, "rows": rows, "refused": refused, "outputs": names, "bundle": predictor.id}
            )
        )
        return
    shapes = ", ".join(
        f"{output.name} {output.dtype} ({', '.join(map(str, output.shape))})" for output in predictor.manifest.outputs
    )
    print(f"{arguments.out}: {rows:,} rows of {shapes}")
    if refused:
        print(f"{refused:,} rows are refused: NaN in their place, the reason in the column error", file=sys.stderr)
