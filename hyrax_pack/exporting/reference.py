"""The trained model itself, as inference calls it: slots in, named arrays out. What the graph is held against."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from hyrax_runtime.replay import Returned
from numpy.typing import NDArray
from torch import nn

from hyrax_pack.data.tensors import to_torch
from hyrax_pack.errors import OutputFormError
from hyrax_pack.exporting.answering import Answering, Outputs
from hyrax_pack.exporting.lasting import attributes_restored
from hyrax_pack.exporting.modes import evaluating, in_float64, widened, without_onednn
from hyrax_pack.exporting.outputs import name_outputs
from hyrax_pack.exporting.slots import Layout, Slots
from hyrax_pack.exporting.watching import OperatorWatch, UserCode

_VECTOR_BYTES = 64


class Reference(Answering):
    """The model, unpatched, in evaluation mode and without gradients, on the CPU.

    Parameters
    ----------
    model : nn.Module
    hook : str
        What inference runs: `infer_batch` or `forward`.
    layout : Layout
    names : sequence of str, optional
        Names for the outputs in place of the model's own.
    """

    def __init__(self, model: nn.Module, hook: str, layout: Layout, names: Sequence[str] | None = None) -> None:
        self.model = model
        self.hook = hook
        self.layout = layout
        self.names = names

    def answer(self, batch: Any) -> Any:
        """Call what inference runs; `forward` by way of the module's call, so that its hooks run too."""
        return self.model(batch) if self.hook == "forward" else getattr(self.model, self.hook)(batch)

    def batch_of(self, slots: Slots) -> Any:
        """Return what the model is called with, in memory of its own: a model may write into what it is given."""
        owned = tuple(None if slot is None else _owned(slot) for slot in slots)
        return to_torch(Returned(owned, self.layout.returns))

    def run(self, slots: Slots, *, wide: bool = False, keep_state: bool = False) -> Outputs:
        """Answer; what the model leaves in its attributes is put back, unless the caller wants to see it.

        Raises
        ------
        OutputFormError
            An output has no form that a graph can give.
        Exception
            Whatever the model itself raises.
        """
        batch = self.batch_of(slots)
        with ExitStack() as states:
            states.enter_context(evaluating(self.model))
            if not keep_state:
                states.enter_context(attributes_restored(self.model))
            if wide:
                states.enter_context(in_float64(self.model))
                batch = tuple(map(widened, batch)) if isinstance(batch, tuple) else widened(batch)
            named = name_outputs(self.answer(batch), self.names)
            return {name: _to_array(name, tensor) for name, tensor in named.items()}

    def run_other_kernels(self, slots: Slots) -> Outputs:
        """Answer by torch's own kernels in place of oneDNN's."""
        with without_onednn():
            return self.run(slots)

    def check_repeatable(self, slots: Slots, rows: int) -> tuple[str, ...]:
        """Look for random numbers and for state that inference changes: see `hyrax_pack.exporting.repeating`."""
        from hyrax_pack.exporting.repeating import check_repeatable

        return check_repeatable(self, slots, rows)

    def watch(self, slots: Slots) -> OperatorWatch:
        """Run once, in float32, and say which operators ran at which lines."""
        watch = OperatorWatch()
        with UserCode(), watch:  # it ran before; what it raises now only ends the watching
            self.run(slots)
        return watch


def _owned(slot: NDArray[Any]) -> NDArray[Any]:
    """Copy an array to where vectors begin: how a kernel adds may hang on where its input lies in memory."""
    memory = np.empty(slot.nbytes + _VECTOR_BYTES, np.uint8)
    start = -memory.ctypes.data % _VECTOR_BYTES
    owned: NDArray[Any] = memory[start : start + slot.nbytes].view(slot.dtype).reshape(slot.shape)
    owned[...] = slot
    return owned


def _to_array(name: str, tensor: torch.Tensor) -> NDArray[Any]:
    if tensor.is_sparse or tensor.is_complex() or tensor.dtype == torch.bfloat16:
        form = "sparse" if tensor.is_sparse else str(tensor.dtype).removeprefix("torch.")
        raise OutputFormError(
            f"output {name!r} is {form}, which a graph cannot give: return it dense and as float32 "
            "(torch.view_as_real for complex numbers)"
        )
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return np.array(array, order="C")  # its own memory: an output may be a view of the model's state
