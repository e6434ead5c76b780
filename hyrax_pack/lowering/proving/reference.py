"""A second runtime: onnx's reference evaluator, written by others in numpy.

What is right in onnxruntime only by its own habits is wrong here.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator


class ReferenceRuntime:
    """Runs a model as onnxruntime's session does."""

    def __init__(self, model: bytes) -> None:
        self._evaluator = ReferenceEvaluator(model)
        self._names = list(self._evaluator.output_names)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return every output by name."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            results = self._evaluator.run(None, dict(feeds))
        return {name: np.asarray(result) for name, result in zip(self._names, results, strict=True)}
