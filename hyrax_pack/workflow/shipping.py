"""Export: a run becomes one proven file. `ship` does it for whatever else can be a subject."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hyrax_runtime.replay import compile_function

from hyrax_pack.capturing import Captured
from hyrax_pack.data import Group, Observation
from hyrax_pack.errors import PackError
from hyrax_pack.model.quieting import without_torchs_own_talk
from hyrax_pack.run import Run
from hyrax_pack.training.early import coupled_rows
from hyrax_pack.workflow.arguments import check_word
from hyrax_pack.workflow.asked_absent import with_asked_absent
from hyrax_pack.workflow.choosing_form import Lower, choose_form
from hyrax_pack.workflow.evidence import Evidence, evidence_group, gather_evidence, record_contract, why_seen
from hyrax_pack.workflow.idle_fields import idle_fields
from hyrax_pack.workflow.label_inputs import refuse_label_inputs
from hyrax_pack.workflow.telling import describe_changes, observed_in_training, provenance_of, rows_in_training
from hyrax_pack.workflow.trained import (
    Accept,
    Settings,
    Trained,
    Which,
    as_config,
    load_trained,
)

if TYPE_CHECKING:
    from hyrax_runtime.bundle import Bundle

    from hyrax_pack.capturing import Proof
    from hyrax_pack.exporting import Network

Batch = Literal["independent", "joint"]
Say = Callable[[str], None]
# What to_tensor returns, and the evidence -> a proven graph.
MakeNetwork = Callable[[Literal["array", "tuple"], Evidence], "Network"]


@dataclass(frozen=True)
class Subject:
    """What is to be shipped, wherever it comes from.

    Attributes
    ----------
    name : str
        Of the model.
    captured : Captured
        The text of to_tensor.
    live : callable
        The function that the text is proven against.
    rows : Group
        Rows to prove with.
    observed : Observation
        What was seen of the fields in training: the input contract.
    labels : sequence of str
        Fields that inference does not have, and that nobody misses there.
    groups : sequence of Group
        Where the rows are that stood out in what was observed, beside `rows`.
    batch : str
        What is declared: rows are `independent`, or the batch is a `joint` unit.
    batch_size : int or None
        Of training, where that is known.
    seen : str or None
        Why `rows` are not held out; None where they are.
    source : Path or None
        The model's file, for the commit.
    facts : mapping
        What provenance says beside commit and versions.
    metrics : mapping
    config_toml : str or None
    """

    name: str
    captured: Captured
    live: Callable[[Any], Any]
    rows: Group
    observed: Observation
    labels: Sequence[str]
    groups: Sequence[Group] = ()
    batch: Batch = "independent"
    batch_size: int | None = None
    seen: str | None = None
    source: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    config_toml: str | None = None


def silent(_: str) -> None:
    """Say nothing."""


@without_torchs_own_talk()
def export(
    run: Run | str | Path,
    path: str | Path,
    *,
    weights: Which = "best",
    to_tensor: Literal["class", "run"] = "class",
    accept: Collection[Accept] = (),
    lower: Lower = "auto",
    config: Settings | None = None,
    say: Say = silent,
) -> Bundle:
    """Turn a run into one `.hyrax` file, or into no file at all.

    Parameters
    ----------
    run : Run or path
        A run folder.
    path : path
        The bundle to write; one that is there is replaced at the very end, in one step.
    weights : str
        `best` or `last`.
    to_tensor : str
        `class` refuses a run whose class now makes other tensors; `run` uses the run's own text all the same.
    accept : collection of str
        `code` or `weights`: ship them although they are not what trained, or what training wrote; the bundle then says
        so, and bears none of the run's figures.
    lower : str
        Whether to_tensor becomes a graph: `auto` where it can, `require` or no file, `off`.
    config : Config, mapping or path, optional
        Settings for what no weight depends on, such as the names of outputs; any other has to be the run's.
    say : callable
        Gets one line for each step.

    Returns
    -------
    Bundle
        The file, opened. Its source is recorded in this user's trust store.

    Raises
    ------
    ChangedSinceError, StaleTextError
        Code, weights or to_tensor are no longer those that trained.
    CaptureError, ExportError, ParityError, PackError
        Says which step, which output, which batch, what difference. Nothing is written.
    """
    path = Path(path)
    check_word("lower", lower, Lower)
    check_target(path)
    settings = None if config is None else as_config(config)
    trained = load_trained(run, weights=weights, to_tensor=to_tensor, accept=accept, settings=settings)
    for line in describe_changes(trained):
        say(f"{'run':10} {line}")
    used, rows = trained.config, evidence_group(trained.provider)
    observed = observed_in_training(trained)
    subject = Subject(
        name=trained.spec.name,
        captured=trained.captured,
        live=trained.spec.tensor_function if to_tensor == "class" else compile_function(trained.captured.text),
        rows=rows,
        observed=observed,
        labels=used.get("model.labels"),
        groups=[trained.provider.group(name) for name in observed.odd if trained.provider.has_group(name)],
        batch=used.get("model.batch"),
        batch_size=used.get("data_loader.batch_size"),
        seen=why_seen(trained.provider, rows, rows_in_training(trained.run)),
        source=_source_file(trained),
        facts={
            "run_id": trained.run.path.name,
            "config_digest": used.digest(),
            "seed": int(trained.run.facts["seed"]),
            "more": provenance_of(trained),
        },
        metrics=trained.figures,
        config_toml=used.to_toml(portable=True),
    )

    def make_network(returns: Literal["array", "tuple"], evidence: Evidence) -> Network:
        from hyrax_pack.exporting import export_network

        return export_network(
            trained.model,
            trained.spec.infer_hook,
            evidence.slots,
            returns=returns,
            sample=evidence.sample,
            held_out=evidence.held_out,
            opset=used.get("onnx.opset_version"),
            batch=used.get("model.batch"),
            classes=used.get("model.classes"),
            output_names=used.get("model.outputs"),
            more_trials=evidence.trials(),
            scratch=path.absolute().parent,
        )

    return ship(subject, path, make_network, lower, say)


def ship(subject: Subject, path: Path, make_network: MakeNetwork, lower: Lower = "auto", say: Say = silent) -> Bundle:
    """Prove to_tensor, prove the graph, write the file; any failure leaves what was there.

    Raises
    ------
    CaptureError, ExportError, ParityError, LoweringError, PackError
    """
    from hyrax_pack.capturing import prove
    from hyrax_pack.exporting import parity_table
    from hyrax_pack.packing import Contents, gather_provenance, pack

    captured = subject.captured
    say(f"to_tensor  {captured.origin}, sha256 {captured.sha256[:12]}")
    evidence = gather_evidence(subject.rows, captured, subject.observed, subject.groups)
    first = evidence.returned(evidence.sample)
    proof = prove(
        captured,
        subject.live,
        evidence.data_dict,
        evidence.held_out or evidence.sample,
        with_labels=evidence.training_dict,
        batch_size=subject.batch_size,
    )
    check_rows_alone(proof, subject.batch, captured.origin)
    contract = record_contract(subject.observed, evidence, proof.fields_read, subject.batch)
    for note in (*captured.notes, *proof.notes):
        say(f"           {note}")
    say("           proven in a process without torch: equal bit for bit")
    network = make_network(first.returns, evidence)
    refuse_label_inputs(evidence, network.slots)
    if subject.seen is not None:
        network = replace(network, parity={**network.parity, "held_out": False})
        say(f"           {subject.seen}")
    for number, line in enumerate([*parity_table(network.parity).splitlines(), *network.notes]):
        say(f"{'graph' if number == 0 else '':10} {line}")
    for idle in idle_fields(evidence, proof.fields_read, network.slots):
        say(
            f"           {idle} feeds nothing that an output depends on, but to_tensor reads it: predict asks for it "
            "all the same, unless it is read with .get(...)"
        )
    examples = [evidence.data_dict(evidence.held_out or evidence.sample)]
    form = choose_form(lower, captured, contract, network, examples, evidence.function)
    for number, line in enumerate(form.says):
        say(f"{'lowering' if number == 0 else '':10} {line}")
    contract = with_asked_absent(contract, captured.text, evidence, subject.labels, form.asked_absent)
    if contract.asked_absent:
        say(f"           asks for {', '.join(contract.asked_absent)}, not there now: refused where given later")
    golden, golden_rows = evidence.golden(network.steady)
    contents = Contents(
        name=subject.name,
        captured=captured,
        contract=contract,
        golden_data=golden,
        golden_rows=golden_rows,
        mutates_input=proof.mutates_input,
        provenance=gather_provenance(
            to_tensor_sha256=captured.sha256,
            source=subject.source,
            requirements=captured.requirements,
            **subject.facts,
        ),
        metrics=subject.metrics,
        lowered=form.lowered,
        reason=form.reason,
        config_toml=subject.config_toml,
    )
    bundle = pack(path, network, contents)
    say(f"bundle     {path.stat().st_size / 1024:.0f} KiB, {bundle.id}")
    _record_own_source(bundle, captured.origin, say)
    return bundle


def check_rows_alone(proof: Proof, batch: Batch, origin: str) -> None:
    """Refuse a function whose rows touch one another, unless the batch is declared joint.

    Raises
    ------
    CoupledRowsError
        Names the function.
    """
    if proof.batch == "joint" and batch == "independent":
        raise coupled_rows(origin, proof.notes)


def check_target(path: Path) -> None:
    """Refuse a place that cannot be written, before an hour is spent on what would go there.

    Raises
    ------
    PackError
        The folder is missing, or `path` is a folder.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise PackError(f"{path}: the folder {folder} does not exist; make it first")
    if path.is_dir():
        raise PackError(f"{path}: is a folder; name a file, such as {path / 'model.hyrax'}")


def _source_file(trained: Trained) -> Path | None:
    try:
        return Path(inspect.getfile(trained.spec.cls)).absolute()
    except (TypeError, OSError):  # a class of a notebook has no file
        return None


def _record_own_source(bundle: Bundle, origin: str, say: Say) -> None:
    """Record the source in this user's trust store: whoever exports a text has run it."""
    from hyrax_runtime.errors import TrustError
    from hyrax_runtime.trust_store import record_trust

    if bundle.source_sha256 is None:
        return
    try:
        record_trust(bundle.source_sha256, f"exported from {origin}")
    except TrustError as error:
        say(f"trust      not recorded: {error}")
