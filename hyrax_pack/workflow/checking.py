"""Check a class before there is anything to train: can its to_tensor travel, do its rows stand alone?"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hyrax_runtime.replay import as_slots

from hyrax_pack.capturing import Captured, Proof, prove
from hyrax_pack.config import Config, load_config
from hyrax_pack.data import DataProvider, observe_group
from hyrax_pack.errors import HyraxError
from hyrax_pack.model import ModelSpec, build_model, describe_model, model_class
from hyrax_pack.model.quieting import without_torchs_own_talk
from hyrax_pack.workflow.choosing_form import check_sound, refusal_in_words
from hyrax_pack.workflow.evidence import Evidence, evidence_group, gather_evidence, record_contract
from hyrax_pack.workflow.label_inputs import refuse_label_inputs
from hyrax_pack.workflow.shipping import check_rows_alone
from hyrax_pack.workflow.trained import capture_of


@dataclass(frozen=True)
class Finding:
    """One step of a check: its name, whether it passed, and what there is to say."""

    step: str
    passed: bool
    says: tuple[str, ...]


@dataclass(frozen=True)
class CheckReport:
    """What a check found; it ends at the first step that fails."""

    target: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether every step passed."""
        return all(finding.passed for finding in self.findings)

    def to_text(self) -> str:
        """Say it for people."""
        lines = [self.target]
        for finding in self.findings:
            mark = "ok" if finding.passed else "REFUSED"
            first, *rest = "\n".join(finding.says).splitlines() or [""]
            lines += [f"  {finding.step:10} {mark:8} {first}", *(f"  {'':19} {line}" for line in rest)]
        return "\n".join(lines)

    def to_json(self) -> str:
        """Say it for programs."""
        findings = [{"step": each.step, "passed": each.passed, "says": list(each.says)} for each in self.findings]
        return json.dumps({"target": self.target, "passed": self.passed, "findings": findings}, indent=2)


@without_torchs_own_talk()
def check(
    target: str, config: str | Path | None = None, overrides: Sequence[str] = (), *, graph: bool = False
) -> CheckReport:
    """Capture and prove to_tensor, and say whether it lowers; with `graph`, also export the untrained model.

    Parameters
    ----------
    target : str
        `path/to/file.py:Class`, seen from the current folder; or a dotted path.
    config : path, optional
        A TOML file; without one, the defaults.
    overrides : sequence of str
        `key=value`, as `--set` takes them.
    graph : bool
        Whether to export the model with its initial weights.

    Raises
    ------
    HyraxError
        The settings, the class or the data cannot be used: there is nothing to check yet.
    """
    settings = load_config(config, overrides, tables={"model": {"name": _absolute(target)}})
    spec = describe_model(model_class(settings))
    findings: list[Finding] = []
    step = "capture"
    try:
        captured = capture_of(spec, settings)
        findings.append(_captured(captured))
        step = "proof"
        evidence, proof, proven = _prove(captured, spec, settings)
        findings.append(proven)
        step = "lowering"
        findings.append(_lower(captured, evidence, proof))
        if graph:
            step = "graph"
            findings.append(_export(spec, settings, evidence))
    except HyraxError as error:
        findings.append(Finding(step, False, (str(error),)))
    return CheckReport(target, tuple(findings))


def _absolute(target: str) -> str:
    file, colon, name = target.rpartition(":")
    return f"{Path(file).absolute()}:{name}" if colon and file.endswith(".py") else target


def _captured(captured: Captured) -> Finding:
    modules = ", ".join(requirement.module for requirement in captured.requirements)
    says = (f"{captured.origin}, sha256 {captured.sha256[:12]}, imports {modules or 'nothing'}", *captured.notes)
    return Finding("capture", True, says)


def _prove(captured: Captured, spec: ModelSpec, settings: Config) -> tuple[Evidence, Proof, Finding]:
    start = time.perf_counter()
    provider = DataProvider(settings, form=spec.form)
    evidence = gather_evidence(evidence_group(provider), captured)
    returned = evidence.returned(evidence.sample)
    proof = prove(
        captured,
        spec.tensor_function,
        evidence.data_dict,
        evidence.held_out or evidence.sample,
        with_labels=evidence.training_dict,
        batch_size=settings.get("data_loader.batch_size"),
    )
    check_rows_alone(proof, settings.get("model.batch"), captured.origin)
    tensors = ", ".join(
        "None" if slot is None else f"{slot.dtype}{['N', *slot.shape[1:]]}" if len(slot) else "no rows"
        for slot in returned.slots
    )
    says = (
        f"equal bit for bit in a process without torch ({time.perf_counter() - start:.1f} s)",
        f"reads {', '.join(sorted(proof.fields_read))}; gives {tensors}",
        f"rows are {proof.batch}",
        *proof.notes,
    )
    return evidence, proof, Finding("proof", True, says)


def _lower(captured: Captured, evidence: Evidence, proof: Proof) -> Finding:
    """Say whether to_tensor would lower; a bundle that replays it is as right, so no failure by itself."""
    from hyrax_pack.exporting.slots import observe_layout
    from hyrax_pack.lowering import Refusal, lower

    returned = evidence.returned(evidence.sample)
    alone = [evidence.slots([row]) for row in evidence.sample]
    layout = observe_layout([returned.slots, *alone], returned.returns)
    found = lower(
        captured.text,
        contract=record_contract(observe_group(evidence.group), evidence, proof.fields_read, proof.batch),
        slots=layout.slots,
        function=evidence.function,
        examples=[evidence.data_dict(evidence.held_out or evidence.sample)],
    )
    if isinstance(found, Refusal):
        check_sound(found, captured)
        return Finding("lowering", True, (f"stays Python text in the bundle: {refusal_in_words(found, captured)}",))
    return Finding("lowering", True, ("becomes one graph with the network: the bundle needs no Python",))


def _export(spec: ModelSpec, settings: Config, evidence: Evidence) -> Finding:
    from hyrax_pack.data.tensors import to_torch
    from hyrax_pack.exporting import export_network

    provider = DataProvider(settings, form=spec.form)
    sample = to_torch(as_slots(evidence.function(provider.group("train").data_dict([0])), rows=1))
    model = build_model(spec.cls, settings, sample).eval()
    returned = evidence.returned(evidence.sample)
    network = export_network(
        model,
        spec.infer_hook,
        evidence.slots,
        returns=returned.returns,
        sample=evidence.sample,
        held_out=evidence.held_out,
        opset=settings.get("onnx.opset_version"),
        batch=settings.get("model.batch"),
        classes=settings.get("model.classes"),
        output_names=settings.get("model.outputs"),
    )
    refuse_label_inputs(evidence, network.slots)
    outputs = ", ".join(f"{output.name} {output.dtype}{list(output.shape)}" for output in network.outputs)
    return Finding("graph", True, (f"exports with untrained weights: {outputs}", *network.notes))
