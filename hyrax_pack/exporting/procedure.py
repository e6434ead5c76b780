"""Export, step by step: what to_tensor gives, what the model answers, the graph, the gate.

measuring: slots -> layout -> answers (float32, float64) -> noise -> independence
drawing:   sample -> trace -> clean -> prune -> weights
parity:    the gate, in float32 as production runs it
meaning:   the graph in float64, where no rounding hides anything
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from hyrax_runtime.errors import SessionError
from hyrax_runtime.session import open_session
from torch import nn

from hyrax_pack.errors import ParityError
from hyrax_pack.exporting.carried_weights import check_carried_weights
from hyrax_pack.exporting.drawing import Drawn, draw_graph
from hyrax_pack.exporting.far_rows import check_far_rows
from hyrax_pack.exporting.guards import beyond_guards, guards_of
from hyrax_pack.exporting.imprecise import imprecise_operators
from hyrax_pack.exporting.independence import Batch, check_extreme_company
from hyrax_pack.exporting.meaning import Meaning, check_meaning
from hyrax_pack.exporting.measuring import Measured, measure_model
from hyrax_pack.exporting.network import Network
from hyrax_pack.exporting.parity import Gate, Record
from hyrax_pack.exporting.reporting import Classes, describe_outputs, notes_of, report_parity
from hyrax_pack.exporting.slots import MakeSlots
from hyrax_pack.exporting.tracing import OPSET
from hyrax_pack.exporting.trials import Trial
from hyrax_pack.model.quieting import without_torchs_own_talk


@without_torchs_own_talk()
def export_network(
    model: nn.Module,
    hook: str,
    make_slots: MakeSlots,
    *,
    returns: Literal["array", "tuple"],
    sample: Sequence[int],
    held_out: Sequence[int],
    opset: int = OPSET,
    batch: Batch = "independent",
    classes: Classes | None = None,
    output_names: Sequence[str] | None = None,
    more_trials: Sequence[Trial] = (),
    scratch: Path | None = None,
) -> Network:
    """Turn what inference runs into an ONNX graph, and prove that the graph computes the same.

    Parameters
    ----------
    model : nn.Module
        On the CPU, with the weights to ship. Modes and weights are afterwards as they were.
    hook : str
        What inference calls: `infer_batch` or `forward`.
    make_slots : callable
        Row indices to the slots of to_tensor, as inference sees them: one array or None for each place.
    returns : str
        Whether to_tensor returns one `array` or a `tuple`.
    sample : sequence of int
        Rows that the graph is traced with.
    held_out : sequence of int
        Other rows, for the gate. Where there are none, the sample's serve, and a note says so.
    opset : int
    batch : str
        What the settings declare: rows `independent` of one another, or the batch as a `joint` unit.
    classes : sequence of str, or dict of output name to sequence of str, optional
        Class names; a bare sequence belongs to every output with as many columns.
    output_names : sequence of str, optional
        Names for the outputs in place of the model's own.
    more_trials : sequence of Trial
        Batches for the gate beside those that are made here.
    scratch : Path, optional
        A folder for the temporary file of large weights.

    Returns
    -------
    Network

    Raises
    ------
    ExportError
        The model cannot become a graph, or does not answer the same way twice.
    ParityError
        The graph does not compute what the model computes.
    """
    measured = measure_model(
        model,
        hook,
        make_slots,
        returns=returns,
        sample=sample,
        held_out=held_out,
        batch=batch,
        output_names=output_names,
        more_trials=more_trials,
    )
    outputs = describe_outputs(measured, classes)
    drawn = draw_graph(measured, outputs, make_slots, sample, opset, scratch)
    check_carried_weights(drawn.graph, drawn.weights, model)
    return finished(measured, drawn, batch, fresh=bool(held_out))


def finished(measured: Measured[Any], drawn: Drawn, batch: Batch, *, fresh: bool) -> Network:
    """Hold the graph against what it was made from, and hand it on with the report.

    Raises
    ------
    ParityError
        They disagree.
    CoupledRowsError
        An extreme row changes its neighbours' answers, and the batch is not declared joint.
    """
    tried, untried = beyond_guards(measured, drawn.heard)
    held = hold_against(tried, drawn)
    if batch == "independent":  # last: where tracing or the gate finds the same fault, they name the line
        check_extreme_company(measured.reference, measured.answers[0].trial, measured.noise)
    return Network(
        graph=drawn.graph,
        weights=drawn.weights,
        description=drawn.description,
        outputs=drawn.outputs,
        layout=drawn.layout,
        batch=batch,
        parity=report_parity(tried, held.records, held.meaning, drawn.route, fresh=fresh),
        batch_proof=measured.batch_proof,
        route=drawn.route,
        notes=(*measured.notes, *drawn.notes, *untried, *notes_of(measured, held.records, fresh=fresh)),
        reference=measured.reference,
    )


@dataclass(frozen=True)
class Held:
    """What the gate saw of each output, and what the comparison in float64 covered."""

    records: dict[str, Record]
    meaning: Meaning


def hold_against(measured: Measured[Any], drawn: Drawn) -> Held:
    """Run the gate: the graph, in the session that production uses, against what answered the trials.

    Then what the graph says, in float64, against the same.

    Raises
    ------
    ParityError
        They disagree, on any trial and output.
    """

    def guards() -> Sequence[str]:
        return [str(guard) for guard in guards_of(measured, drawn.heard)]

    def imprecise() -> Sequence[str]:
        return imprecise_operators(drawn.graph)

    try:
        session = open_session(drawn.graph, drawn.weights.data if drawn.weights.size else None)
    except SessionError as error:
        cure = _cure_of_precision(measured) if "NOT_IMPLEMENTED" in str(error) else ""
        raise ParityError(f"the finished graph does not run: {error}{cure}") from error
    records = Gate(drawn.layout, measured.noise, drawn.lines, guards, imprecise).check(session, measured.answers)
    check_far_rows(session, measured.reference, drawn.layout, measured.answers[0].trial.slots)
    return Held(records, check_meaning(session, measured, drawn))


def _cure_of_precision(measured: Measured[Any]) -> str:
    """onnxruntime on the CPU has few operators in half precision or float64: say where those come from."""
    model = getattr(measured.reference, "model", None)
    if not isinstance(model, nn.Module):
        return ""
    held = {each.dtype for each in (*model.parameters(), *model.buffers())}
    if held & {torch.float16, torch.bfloat16, torch.float64}:
        return ". Cast the model to float32 first: model.float()"
    return (
        ". The weights are float32 and the model's code computes in another precision: leave torch.autocast, .half() "
        "and .bfloat16() to training (under `if self.training:`)"
    )
