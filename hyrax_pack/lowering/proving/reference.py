"""A second runtime: onnx's reference evaluator, written by others in numpy.

What is right in onnxruntime only by its own habits is wrong here. One operation is ours: onnx's GatherElements goes
through `np.choose`, which takes 64 entries at most.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


class GatherElements(OpRun):  # type: ignore[misc]
    """Picks along an axis, as the operation is specified."""

    op_domain = ""

    def _run(self, data: NDArray[Any], indices: NDArray[Any], axis: int = 0) -> tuple[NDArray[Any]]:
        size = data.shape[axis]
        if ((indices < -size) | (indices >= size)).any():
            raise IndexError(f"an index is out of range along axis {axis} with size {size}")
        return (np.take_along_axis(data, indices, axis),)


class ReferenceRuntime:
    """Runs a model as onnxruntime's session does."""

    def __init__(self, model: bytes) -> None:
        self._evaluator = ReferenceEvaluator(model, new_ops=[GatherElements])
        self._names = list(self._evaluator.output_names)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return every output by name."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            results = self._evaluator.run(None, dict(feeds))
        return {name: np.asarray(result) for name, result in zip(self._names, results, strict=True)}
