"""Export: a run becomes one proven file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hyrax_pack.errors import PackError
from hyrax_pack.run import Run
from hyrax_pack.run.listing import summarise
from hyrax_pack.workflow.evidence import Evidence, gather_evidence, record_contract
from hyrax_pack.workflow.trained import Trained, Which, load_trained

if TYPE_CHECKING:
    from hyrax_runtime.bundle import Bundle

    from hyrax_pack.capturing import Proof
    from hyrax_pack.exporting import Network


def silent(_: str) -> None:
    """Say nothing."""


def export(
    run: Run | str | Path,
    path: str | Path,
    *,
    weights: Which = "best",
    to_tensor: Literal["class", "run"] = "class",
    say: Callable[[str], None] = silent,
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
        `class` refuses a run whose class now captures to other code; `run` uses the run's own text all the same.
    say : callable
        Gets one line for each step.

    Returns
    -------
    Bundle
        The file, opened. Its source is recorded in this user's trust store.

    Raises
    ------
    CaptureError, ExportError, ParityError, PackError
        Says which step, which output, which batch, what difference. Nothing is written.
    """
    from hyrax_pack.capturing import prove
    from hyrax_pack.exporting import export_network

    path = Path(path)
    check_target(path)
    trained = load_trained(run, weights=weights, to_tensor=to_tensor)
    say(f"to_tensor  {trained.captured.origin}, sha256 {trained.captured.sha256[:12]}: the text that trained")
    evidence = gather_evidence(trained.provider, trained.function)
    config = trained.run.config
    first = evidence.returned(evidence.sample)
    proof = prove(trained.captured, trained.spec.tensor_function, evidence.data_dict, evidence.held_out)
    for note in (*trained.captured.notes, *proof.notes):
        say(f"to_tensor  {note}")
    say("to_tensor  proven in a process without torch: equal bit for bit")
    network = export_network(
        trained.model,
        trained.spec.infer_hook,
        evidence.slots,
        returns=first.returns,
        sample=evidence.sample,
        held_out=evidence.held_out,
        opset=config.get("onnx.opset_version"),
        batch=config.get("model.batch"),
        classes=config.get("model.classes"),
        scratch=path.absolute().parent,
    )
    for note in network.notes:
        say(f"graph      {note}")
    for name, figures in network.parity["outputs"].items():
        say(
            f"graph      {name}: differs from torch by at most {figures['error']:.2g} "
            f"(tolerance {figures['tolerance']:.2g}) over {network.parity['rows']} rows"
        )
    bundle = _pack(path, trained, evidence, proof, network)
    say(f"bundle     {bundle.id}, {path.stat().st_size / 1024:.0f} KiB")
    _record_own_source(bundle, trained, say)
    return bundle


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


def _pack(path: Path, trained: Trained, evidence: Evidence, proof: Proof, network: Network) -> Bundle:
    from hyrax_pack.packing import Contents, gather_provenance, pack

    run, captured = trained.run, trained.captured
    golden, rows = evidence.golden()
    summary = summarise(run)
    contents = Contents(
        name=trained.spec.name,
        captured=captured,
        contract=record_contract(trained.provider, evidence, proof.fields_read, network.batch),
        golden_data=golden,
        golden_rows=rows,
        mutates_input=proof.mutates_input,
        provenance=gather_provenance(
            to_tensor_sha256=captured.sha256,
            source=_source_file(trained),
            run_id=run.path.name,
            config_digest=run.config.digest(),
            seed=int(run.facts["seed"]),
            requirements=captured.requirements,
        ),
        metrics={summary.metric: summary.best} if summary.metric and summary.best is not None else {},
        config_toml=run.config.to_toml(portable=True),
    )
    return pack(path, network, contents)


def _source_file(trained: Trained) -> Path | None:
    import inspect

    try:
        return Path(inspect.getfile(trained.spec.cls)).absolute()
    except (TypeError, OSError):  # a class of a notebook has no file
        return None


def _record_own_source(bundle: Bundle, trained: Trained, say: Callable[[str], None]) -> None:
    """Whoever exports has trained with this text: it is theirs to run."""
    from hyrax_runtime.errors import TrustError
    from hyrax_runtime.trust import record_trust

    if bundle.source_sha256 is None:
        return
    try:
        record_trust(bundle.source_sha256, f"exported from {trained.captured.origin}")
    except TrustError as error:
        say(f"trust      not recorded: {error}")
