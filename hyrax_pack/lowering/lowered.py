"""What lowering gives: the function as a model, and what it takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hyrax_runtime.manifest import GraphInput


@dataclass(frozen=True)
class LoweredSlot:
    """An output of the lowered function: slot `place` of its tuple, under the name of the network's input."""

    place: int
    name: str
    dtype: str


@dataclass(frozen=True)
class Lowered:
    """`to_tensor` as an ONNX model: standard domain, one opset, proven equal to the function.

    Attributes
    ----------
    model : bytes
        The serialised model; all its constants are inside.
    inputs : tuple of GraphInput
        Named `friendly/field`, in the order of the contract; shapes begin with "N". Only what a value depends on.
    outputs : tuple of LoweredSlot
    mode : str
        `batch`: traced with the whole batch. `row`: traced with one row, for functions that walk over the rows.
    form : str
        `whole`: one graph for the whole batch, also for what was traced one row at a time where that was possible.
        `scan`: the graph of a row inside a Scan; about 0.07 ms a row slower.
    asked_absent : tuple of str
        Keys that the function asked for and that are not there: the graph holds for data without them.
    """

    model: bytes = field(repr=False)
    inputs: tuple[GraphInput, ...]
    outputs: tuple[LoweredSlot, ...]
    mode: Literal["batch", "row"]
    form: Literal["whole", "scan"]
    asked_absent: tuple[str, ...]
