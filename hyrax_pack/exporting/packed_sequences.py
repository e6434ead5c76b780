"""The other route, for models that pack sequences: torch's older exporter, behind the same gate.

`torch.export` cannot trace a PackedSequence, and it unrolls an nn.RNN; the older exporter turns them into ONNX's own
LSTM, GRU and RNN with lengths. It records one run, so a decision that Python takes on a value would be baked in, with
nothing but a warning: here such a warning, where it comes from the user's code, is a refusal.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import onnx
import onnx_ir as ir
import torch
from hyrax_runtime.manifest import Slot
from onnxscript import version_converter
from torch import nn
from torch.jit._trace import TracerWarning
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from hyrax_pack.errors import BranchError
from hyrax_pack.exporting.explaining import explain
from hyrax_pack.exporting.inference import Inference
from hyrax_pack.exporting.modes import evaluating
from hyrax_pack.exporting.tracing import Traced, quiet
from hyrax_pack.exporting.watching import OperatorWatch, UserCode, is_users, place

# What torch runs where a model packs its sequences.
PACKING = "aten._pack_padded_sequence.default"
NEWEST_OPSET = 20  # of the older exporter; the graph is then converted
IR_VERSION = 10


def takes_this_route(inference: Inference, watch: OperatorWatch) -> bool:
    """Whether the model packs sequences, or holds an nn.RNN (LSTM and GRU have a way through torch.export)."""
    return PACKING in watch.lines or any(type(module) is nn.RNN for module in inference.modules())


class _KeepingPacked(nn.Module):
    """Gives what recurrent layers make of packed sequences as outputs of their own, after the model's.

    Where a model takes the last state only, the older exporter removes the layer's unused output and then fails to find
    it (`vector::_M_range_check`). The additional outputs are dropped from the finished graph.
    """

    def __init__(self, inference: Inference) -> None:
        super().__init__()
        self.inference = inference

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        kept: list[torch.Tensor] = []

        def keep(module: nn.RNNBase, _: Any, result: Any) -> None:
            if isinstance(result[0], PackedSequence):
                kept.append(pad_packed_sequence(result[0], batch_first=module.batch_first)[0])

        layers = [module for module in self.modules() if isinstance(module, nn.RNNBase)]
        handles = [layer.register_forward_hook(keep) for layer in layers]
        try:
            outputs: tuple[torch.Tensor, ...] = self.inference(*tensors)
        finally:
            for handle in handles:
                handle.remove()
        return (*outputs, *kept)


def trace_packed(
    inference: Inference,
    inputs: Sequence[Slot],
    tensors: Sequence[torch.Tensor],
    names: Sequence[str],
    opset: int,
    watch: OperatorWatch,
) -> Traced:
    """Export by torch.onnx.export(dynamo=False), and convert the graph to `opset`.

    Raises
    ------
    BranchError
        A line of the user's code turns a tensor into a Python value: the trace would hold the sample's.
    ExportError
        The older exporter refuses the model too.
    """
    buffer = io.BytesIO()
    free = {
        str(slot.graph_input): {axis: dim for axis, dim in enumerate(slot.shape) if isinstance(dim, str)}
        for slot in inputs
    }
    with warnings.catch_warnings(record=True) as heard, UserCode() as attempt:
        warnings.simplefilter("always")
        with evaluating(inference), quiet(), _silent_descriptors():
            torch.onnx.export(
                _KeepingPacked(inference),
                tuple(tensors),
                buffer,  # type: ignore[arg-type]  # the older exporter takes one
                dynamo=False,
                opset_version=min(opset, NEWEST_OPSET),
                input_names=list(free),
                output_names=list(names),
                dynamic_axes={**free, **{name: {0: "N"} for name in names}},
            )
    if attempt.error is not None:
        raise explain(attempt.error, watch) from attempt.error
    _check_nothing_baked(heard)
    model = ir.from_proto(onnx.load_from_string(buffer.getvalue()))
    del model.graph.outputs[len(names) :]
    version_converter.convert_version(model, opset)
    model.ir_version = IR_VERSION
    return Traced(model, {}, ())


def _check_nothing_baked(heard: Sequence[warnings.WarningMessage]) -> None:
    for warning in heard:
        if issubclass(warning.category, TracerWarning) and is_users(warning.filename):
            raise BranchError(
                f"{place(warning.filename, warning.lineno)} turns a tensor into a Python value: the graph would "
                "hold the sample's. Keep it a tensor, or compute it in to_tensor and return it as a slot"
            )
        if not issubclass(warning.category, (TracerWarning, DeprecationWarning, UserWarning)):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


@contextlib.contextmanager
def _silent_descriptors() -> Iterator[None]:
    """torch's C++ side writes its warnings, and a graph it stumbles over, to the file descriptors themselves."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(descriptor) for descriptor in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for descriptor in (1, 2):
            os.dup2(nowhere, descriptor)
        yield
    finally:
        for descriptor, original in zip((1, 2), saved, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
        os.close(nowhere)
