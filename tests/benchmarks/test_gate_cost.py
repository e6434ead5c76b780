"""Gate and export together against a bare torch.onnx.export of the same small network, both warm, in one run.

    pytest tests/benchmarks/test_gate_cost.py -m "slow or not slow" -s

Prints the medians and their ratio; the aim is a ratio of at most 2. The trials are interleaved, so that a busy machine
slows both alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hyrax_pack.exporting import export_network
from hyrax_pack.exporting.modes import evaluating

TRIALS = 7
AIM = 2.0


class SmallCNN(nn.Module):
    """Two convolutions and two linear layers, for images of 8 x 8 pixels in ten classes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(512, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(image)


def bare(model: nn.Module) -> None:
    with evaluating(model):
        torch.onnx.export(
            model, (torch.rand(3, 1, 8, 8),), dynamo=True, verbose=False, opset_version=21, dynamic_shapes=({0: "N"},)
        )


def seconds(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@pytest.mark.slow
def test_gate_and_export_are_timed_beside_a_bare_export() -> None:
    torch.set_num_threads(1)
    model = SmallCNN()
    images = np.random.default_rng(0).uniform(size=(300, 1, 8, 8)).astype(np.float32)

    def make(rows: Sequence[int]) -> tuple[Any, ...]:
        return (images[list(rows)],)

    def proven() -> None:
        export_network(model, "forward", make, returns="array", sample=range(8), held_out=range(8, 264))

    bare(model)
    proven()
    pairs = [(seconds(lambda: bare(model)), seconds(proven)) for _ in range(TRIALS)]
    bare_s, proven_s = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"\nbare export {bare_s:.3f} s, export and gate {proven_s:.3f} s, ratio {proven_s / bare_s:.2f} (aim {AIM})")
    assert len(pairs) == TRIALS  # no claim about time: a busy machine is no fault of the code
