"""What exporting hands on: a proven graph, its weights, and all that the bundle says about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from hyrax_runtime.difference import Allowance, along
from hyrax_runtime.manifest import Graph, Output, Slot
from numpy.typing import NDArray

from hyrax_pack.exporting.answering import Answering, Outputs, otherwise
from hyrax_pack.exporting.noise import row_errors
from hyrax_pack.exporting.slots import Layout, Slots, row_count
from hyrax_pack.exporting.tolerances import FLOORS_ALLOWED
from hyrax_pack.exporting.weights import Weights


@dataclass(frozen=True)
class Network:
    """A network whose graph computes what the trained model computes.

    Attributes
    ----------
    graph : bytes
        `model.onnx`: no metadata; tensors over 1 KiB are external, in `weights.bin`.
    weights : Weights
        The bytes of `weights.bin`.
    description : Graph
        Opset, IR version and inputs, for the manifest.
    outputs : tuple of Output
        With measured tolerances.
    layout : Layout
        The slots of to_tensor, and which of them are inputs of the graph.
    batch : str
        `independent` or `joint`.
    parity, batch_proof : dict
        The reports, as they stand in the manifest.
    route : str
        How the graph was made: `dynamo`; `torchscript` for packed sequences; `given` where it was made elsewhere.
    notes : tuple of str
        What the user should be told.
    reference : Answering
        The model itself.
    """

    graph: bytes
    weights: Weights
    description: Graph
    outputs: tuple[Output, ...]
    layout: Layout
    batch: Literal["independent", "joint"]
    parity: dict[str, Any]
    batch_proof: dict[str, Any]
    route: str
    notes: tuple[str, ...]
    reference: Answering

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots of to_tensor, for the manifest."""
        return self.layout.slots

    @property
    def returns(self) -> Literal["array", "tuple"]:
        """Whether to_tensor returns one array or a tuple."""
        return self.layout.returns

    def compute(self, slots: Slots) -> Outputs:
        """Answer as the trained model does, in torch: the golden outputs."""
        return self.reference.run(slots)

    def steady(self, slots: Slots) -> NDArray[np.bool_]:
        """Flag the rows whose own rounding noise is within what the tolerances are made for: those can be golden."""
        outputs = self.reference.run(slots)
        others = otherwise(self.reference, slots)
        flags = np.ones(row_count(slots), dtype=bool)
        for output in self.outputs:
            wanted = outputs[output.name]
            if wanted.dtype.kind != "f":
                flags &= (wanted == others[output.name]).reshape(len(wanted), -1).all(axis=1)
                continue
            allowed = Allowance(output.tolerance, output.relative_tolerance, output.axis).at(wanted)
            errors = FLOORS_ALLOWED * row_errors(wanted, others[output.name], output.axis)
            flags &= (along(errors, output.axis, wanted.ndim) <= allowed).reshape(len(wanted), -1).all(axis=1)
        return flags
