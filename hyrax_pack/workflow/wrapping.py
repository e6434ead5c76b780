"""Wrap: a graph made elsewhere, and the function that makes its input, become one proven file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hyrax_pack.data import observe_group
from hyrax_pack.errors import ExportError
from hyrax_pack.resolving import resolve_function
from hyrax_pack.workflow.arguments import check_word
from hyrax_pack.workflow.choosing_form import Lower
from hyrax_pack.workflow.rows_file import open_rows
from hyrax_pack.workflow.shipping import Batch, Say, Subject, check_target, ship, silent

if TYPE_CHECKING:
    from hyrax_runtime.bundle import Bundle

    from hyrax_pack.exporting import Network
    from hyrax_pack.workflow.evidence import Evidence


def wrap(
    graph: str | Path,
    path: str | Path,
    *,
    to_tensor: str,
    sample: str | Path,
    form: Literal["list", "stacked"] | None = None,
    labels: Sequence[str] = ("label",),
    fields: Sequence[str] = (),
    batch: Batch = "independent",
    classes: Sequence[str] | None = None,
    requires: Sequence[str] = (),
    name: str | None = None,
    lower: Lower = "auto",
    say: Say = silent,
) -> Bundle:
    """Turn an ONNX file and a numpy function into one `.hyrax` file.

    Parameters
    ----------
    graph : path
        The ONNX file; its weights may stand beside it.
    path : path
        The bundle to write; one that is there is replaced at the very end.
    to_tensor : str
        `path/to/file.py:function`, seen from the current folder, or `package.module:function`; its tensors feed the
        graph's inputs in order.
    sample : path
        Rows as `.npz` or `.parquet`: what the function is called with. Some of them become the golden rows.
    form : str, optional
        `list` of rows per field, or `stacked` arrays; by default `stacked` for a function called `prepare_inputs`.
    labels : sequence of str
        Fields of the sample that are not there at inference.
    fields : sequence of str
        The fields of the sample to read, such as `candidate.magpsf`, or `alert/candidate.magpsf` where the function
        finds them under `data_dict["alert"]`; all of them by default. A file of alerts holds much that is no field.
    batch : str
        `independent` rows, or `joint`.
    classes : sequence of str, optional
        Names of the classes that an output stands for.
    requires : sequence of str
        Modules beyond numpy and the standard library that the function may import.
    name : str, optional
        The model's name; the graph's file name by default.
    lower : str
        Whether the function becomes a graph: `auto` where it can, `require` or no file, `off`.
    say : callable
        Gets one line for each step.

    Returns
    -------
    Bundle
        The file, opened. Its source is recorded in this user's trust store.

    Raises
    ------
    CaptureError, ExportError, ParityError, PackError
        Says what does not fit. Nothing is written.
    """
    from hyrax_pack.capturing import capture

    graph, path = Path(graph), Path(path)
    for argument, value, words in (("batch", batch, Batch), ("lower", lower, Lower)):
        check_word(argument, value, words)
    if form is not None:
        check_word("form", form, Literal["list", "stacked"])
    check_target(path)
    digest = _digest(graph)
    function = resolve_function(to_tensor, Path.cwd())
    captured = capture(function, requires=requires)
    stacked = getattr(function, "__name__", "") == "prepare_inputs"
    form = form or ("stacked" if stacked else "list")
    rows = open_rows(Path(sample), form, labels=labels, fields=fields).group("train")
    subject = Subject(
        name=name or graph.stem,
        captured=captured,
        live=function,
        rows=rows,
        observed=observe_group(rows),
        labels=labels,
        batch=batch,
        facts={"more": {"wrapped_file": graph.name, "wrapped_sha256": digest}},
    )

    def make_network(returns: Literal["array", "tuple"], evidence: Evidence) -> Network:
        from hyrax_pack.exporting import export_given_graph

        return export_given_graph(
            graph,
            evidence.slots,
            returns=returns,
            sample=evidence.sample,
            held_out=evidence.held_out,
            batch=batch,
            classes=classes,
            more_trials=evidence.trials(),
            scratch=path.absolute().parent,
        )

    return ship(subject, path, make_network, lower, say)


def _digest(graph: Path) -> str:
    try:
        return hashlib.sha256(graph.read_bytes()).hexdigest()
    except OSError as error:
        raise ExportError(f"{graph}: cannot be read: {error.strerror}") from error
