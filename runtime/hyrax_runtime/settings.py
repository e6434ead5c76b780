"""How a predictor was asked to run; what it is pickled with."""

from __future__ import annotations

from typing import Literal

import numpy as np

from hyrax_runtime.errors import UsageError
from hyrax_runtime.frozen import Frozen, replace

Python = Literal["allow", "never"]
Memory = Literal["shared", "fast"]

FAST_UP_TO_BYTES = 64 * 1024 * 1024


def is_count(value: object) -> bool:
    """Whether a value is a whole number of at least 1; numpy's are, True is none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 1


class Tuning(Frozen):
    """What is quicker for some, and not for all.

    Attributes
    ----------
    spinning : bool
        Let threads wait for work with a core each: microseconds quicker where calls follow one another at once, and
        most of a core lost where they do not.
    strict : bool
        Refuse a graph of which the CPU would run a part, in the place of the device.
    graph_batches : tuple of int
        On `cuda`: sizes up to which smaller batches are filled, and run as one CUDA graph each.

    Raises
    ------
    UsageError
        A batch size that is no whole number of at least 1.
    """

    spinning: bool = False
    strict: bool = False
    graph_batches: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not all(map(is_count, self.graph_batches)):
            raise UsageError(f"graph_batches={self.graph_batches!r}: whole numbers of at least 1")


class Settings(Frozen):
    """The arguments of `load`, but for path and trust."""

    device: str = "cpu"
    memory: str = "auto"
    threads: int | None = None
    python: Python = "allow"
    tuning: Tuning = Tuning()

    @property
    def on_cpu(self) -> Settings:
        """The same, on the CPU."""
        return replace(self, device="cpu", tuning=replace(self.tuning, strict=False, graph_batches=()))


def parse_memory(memory: str, weights_bytes: int) -> Memory:
    """Decide `auto` by the size of the weights; UsageError for an unknown mode."""
    if memory == "auto":
        return "fast" if weights_bytes <= FAST_UP_TO_BYTES else "shared"
    if memory == "shared" or memory == "fast":
        return memory  # type: ignore[return-value]
    raise UsageError(f"memory={memory!r} is not one of auto, shared, fast")
