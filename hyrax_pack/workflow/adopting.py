"""Adopt: a run folder of Hyrax becomes one proven file, without its data set where rows are given as a file."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hyrax_runtime.replay import as_slots, compile_protected

from hyrax_pack.capturing import Captured, capture
from hyrax_pack.data import observe_group
from hyrax_pack.data.tensors import to_torch
from hyrax_pack.errors import ModelError, UsageError
from hyrax_pack.model import ModelSpec
from hyrax_pack.model.quieting import without_torchs_own_talk
from hyrax_pack.resolving import user_code
from hyrax_pack.run.folder import FACTS_FILE
from hyrax_pack.workflow.arguments import check_word
from hyrax_pack.workflow.choosing_form import Lower
from hyrax_pack.workflow.evidence import Evidence, evidence_group, why_seen
from hyrax_pack.workflow.shipping import Batch, Say, Subject, check_target, export, ship, silent
from hyrax_pack.workflow.trained import Accept, Settings, Which
from hyrax_pack.workflow.upstream_run import (
    SETTINGS,
    UpstreamRun,
    find_class,
    model_settings,
    open_data,
    open_upstream_run,
    restore_model,
    saved_function,
)

if TYPE_CHECKING:
    from hyrax_runtime.bundle import Bundle

    from hyrax_pack.exporting import Network

OPSET = 21


@without_torchs_own_talk()
def adopt(
    run: str | Path,
    path: str | Path,
    *,
    golden: str | Path | None = None,
    model: str | None = None,
    weights: str | Path | None = None,
    batch: Batch | None = None,
    classes: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    requires: Sequence[str] | None = None,
    lower: Lower = "auto",
    say: Say = silent,
) -> Bundle:
    """Turn a run of Hyrax into one `.hyrax` file.

    Parameters
    ----------
    run : path
        The run folder: `runtime_config.toml`, weights, and the saved function.
    path : path
        The bundle to write; one that is there is replaced at the very end, in one step.
    golden : path, optional
        Rows as `.npz` or `.parquet`, in the place of the run's data set.
    model : str, optional
        `path/to/file.py:Class`, where the settings' own name leads nowhere here.
    weights : path, optional
        Another weights file than the one that the settings name.
    batch, classes, outputs, requires
        As under `[model]` in settings of ours; by default what the run's own `[model]` says.
    lower : str
        Whether to_tensor becomes a graph: `auto` where it can, `require` or no file, `off`.
    say : callable
        Gets one line for each step.

    Returns
    -------
    Bundle
        The file, opened. Its source is recorded in this user's trust store.

    Raises
    ------
    HyraxError
        The run, its class, its function or its data cannot be used; or the graph is not the model. Nothing is written.
    """
    path, base_dir = Path(path), Path.cwd()
    if batch is not None:
        check_word("batch", batch, Batch)
    check_word("lower", lower, Lower)
    check_target(path)
    found = open_upstream_run(Path(run), None if weights is None else Path(weights))
    said = model_settings(found)
    batch = said["batch"] if batch is None else batch
    requires = said["requires"] if requires is None else requires
    spec = find_class(found, model, base_dir)
    say(f"run        {found.path.name}, weights {found.weights.name}, class {spec.name}")
    captured, live = _captured(found, spec, requires)
    form = found.form if found.function_file is not None else spec.form
    provider = open_data(found, None if golden is None else Path(golden), form, base_dir)
    with user_code("to_tensor", ModelError):
        returned = compile_protected(captured.text, on_copy=True)(provider.group("train").data_dict([0]))
    network_model = restore_model(found, spec, to_torch(as_slots(returned, rows=1)))
    digest = hashlib.sha256((found.path / SETTINGS).read_bytes()).hexdigest()
    rows = evidence_group(provider)
    subject = Subject(
        name=spec.name,
        captured=captured,
        live=live,
        rows=rows,
        observed=observe_group(provider.group("train")),
        groups=[provider.group("train")],
        labels=provider.config.get("model.labels"),
        batch=batch,
        seen=why_seen(provider, rows, {}),
        facts={"run_id": found.path.name, "config_digest": digest, "more": {"framework": "hyrax"}},
    )

    def make_network(returns: Literal["array", "tuple"], evidence: Evidence) -> Network:
        from hyrax_pack.exporting import export_network

        return export_network(
            network_model,
            spec.infer_hook,
            evidence.slots,
            returns=returns,
            sample=evidence.sample,
            held_out=evidence.held_out,
            opset=OPSET,
            batch=batch,
            classes=said["classes"] if classes is None else classes,
            output_names=said["outputs"] if outputs is None else outputs,
            more_trials=evidence.trials(),
            scratch=path.absolute().parent,
        )

    return ship(subject, path, make_network, lower, say)


def export_folder(
    run: str | Path,
    path: str | Path,
    *,
    weights: Which = "best",
    to_tensor: Literal["class", "run"] = "class",
    accept: Collection[Accept] = (),
    golden: str | Path | None = None,
    model: str | None = None,
    lower: Lower = "auto",
    config: Settings | None = None,
    say: Say = silent,
) -> Bundle:
    """Export a run folder, our own or one that Hyrax wrote; `golden` and `model` are for the latter, see `adopt`.

    Raises
    ------
    UsageError
        `golden` or `model` is given for a run of our own; or `config`, `weights="last"`, `to_tensor="run"` or `accept`
        for one of Hyrax.
    HyraxError
        As `export` and `adopt`.
    """
    folder = Path(run)
    if (folder / FACTS_FILE).is_file() or not (folder / SETTINGS).is_file():
        if golden is not None or model is not None:
            raise UsageError(f"{folder}: --golden and --model are for run folders of Hyrax; this is not one")
        return export(
            folder, path, weights=weights, to_tensor=to_tensor, accept=accept, lower=lower, config=config, say=say
        )
    if config is not None:
        raise UsageError(f"{folder}: is a run folder of Hyrax: -c and --set change nothing of it; leave them out")
    for option, given, why in (
        ("--last", weights != "best", f"its weights are those that its {SETTINGS} names"),
        ("--to-tensor run", to_tensor != "class", "the function that it saved is what is taken"),
        ("--accept", bool(accept), "it has no record of what trained"),
    ):
        if given:
            raise UsageError(f"{folder}: is a run folder of Hyrax: {why}; leave {option} out")
    return adopt(folder, path, golden=golden, model=model, lower=lower, say=say)


def _captured(run: UpstreamRun, spec: ModelSpec, requires: Sequence[str]) -> tuple[Captured, Any]:
    """The saved function as text; the class's own where nothing was saved, which the notes say."""
    saved = saved_function(run)
    if saved is not None:
        return capture(saved, requires=requires), saved
    captured = capture(spec.cls if spec.tensor_name else spec.tensor_function, requires=requires)
    note = f"the run saved no function: this is {spec.name}'s own of today"
    return replace(captured, notes=(*captured.notes, note)), spec.tensor_function
