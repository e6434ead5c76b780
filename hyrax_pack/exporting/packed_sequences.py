"""The other route, for models that pack sequences: torch's older exporter, behind the same gate.

`torch.export` cannot trace a PackedSequence; the older exporter turns one into the lengths that ONNX's own LSTM, GRU
and RNN take. It records one run, so a decision that Python takes on a value would be baked in, with nothing but a
warning: here such a warning, where it comes from the user's code, is a refusal.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence

import onnx
import onnx_ir as ir
import torch
from hyrax_runtime.manifest import Slot
from onnxscript import version_converter
from torch.jit._trace import TracerWarning

from hyrax_pack.errors import BranchError
from hyrax_pack.exporting.explaining import explain
from hyrax_pack.exporting.inference import Inference
from hyrax_pack.exporting.modes import evaluating
from hyrax_pack.exporting.tracing import Traced, quiet
from hyrax_pack.exporting.watching import UserCode, is_users, place

NEWEST_OPSET = 20  # of the older exporter; the graph is then converted
IR_VERSION = 10


def trace_packed(
    inference: Inference, inputs: Sequence[Slot], tensors: Sequence[torch.Tensor], names: Sequence[str], opset: int
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
        with evaluating(inference), quiet(), _silent_stderr():
            torch.onnx.export(
                inference,
                tuple(tensors),
                buffer,  # type: ignore[arg-type]  # the older exporter takes one
                dynamo=False,
                opset_version=min(opset, NEWEST_OPSET),
                input_names=list(free),
                output_names=list(names),
                dynamic_axes={**free, **{name: {0: "N"} for name in names}},
            )
    if attempt.error is not None:
        raise explain(attempt.error, lambda: inference(*tensors)) from attempt.error
    _check_nothing_baked(heard)
    model = ir.from_proto(onnx.load_from_string(buffer.getvalue()))
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
def _silent_stderr() -> Iterator[None]:
    """torch's C++ side writes to the file descriptor itself."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a descriptor is needed, not a path
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
