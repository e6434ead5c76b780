"""The thin module that is exported: inference as it runs, with the slots that are absent or pruned filled in.

The graph has inputs for the slots with rows only; the model still receives its array or its whole tuple.
"""

from __future__ import annotations

import torch
from hyrax_runtime.manifest import Slot
from torch import nn

from hyrax_pack.exporting.outputs import name_outputs
from hyrax_pack.exporting.reference import Reference
from hyrax_pack.exporting.slots import Layout


class Inference(nn.Module):
    """Tensors of the graph's inputs in, tensors of its outputs out, both in order.

    Parameters
    ----------
    reference : Reference
        The model and what inference calls.
    layout : Layout
        Which slots are inputs of the graph.
    """

    def __init__(self, reference: Reference, layout: Layout) -> None:
        super().__init__()
        self.model = reference.model
        self._answer = reference.answer
        self._layout = layout
        self._names = reference.names

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Arrange the inputs as the model takes them, and lay its outputs out flat."""
        given = iter(tensors)
        rows = tensors[0].shape[0]
        slots = [next(given) if slot.graph_input else filled(slot, rows) for slot in self._layout.slots]
        batch = slots[0] if self._layout.returns == "array" else tuple(slots)
        return tuple(name_outputs(self._answer(batch), self._names).values())


def filled(slot: Slot, rows: int) -> torch.Tensor | None:
    """Return what stands in the place of a slot that the graph has no input for: None, no rows, or zeros."""
    if slot.kind == "none":
        return None
    dtype: torch.dtype = getattr(torch, slot.dtype)
    inner = [dim if isinstance(dim, int) else 1 for dim in slot.shape[1:]]
    return torch.zeros((rows if slot.kind == "tensor" else 0, *inner), dtype=dtype)
