"""Does inference answer the same way twice? Random numbers and state that it changes are refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from hyrax_runtime.difference import greatest_difference
from numpy.typing import NDArray

from hyrax_pack.errors import RandomnessError
from hyrax_pack.exporting.modes import evaluating, seeded
from hyrax_pack.exporting.outputs import absent_outputs
from hyrax_pack.exporting.reference import Outputs, Reference, guarded
from hyrax_pack.exporting.slots import Slots, take
from hyrax_pack.exporting.watching import OperatorWatch, UserCode

# Threads may add in another order from run to run; random numbers are further apart than this.
ULPS_BETWEEN_RUNS = 64


def check_repeatable(reference: Reference, slots: Slots, rows: int) -> tuple[str, ...]:
    """Run inference twice, from different seeds, and compare; look for state that it changes.

    Returns
    -------
    tuple of str
        The outputs that are None.

    Raises
    ------
    RandomnessError
        The answers differ, or a parameter or buffer was changed.
    ExportError
        The model raises, or an output has lost its batch axis.
    """
    before = _versions(reference)
    with seeded(0):
        first = reference.run_checked(slots, rows, f"{rows} rows")
    changed = [name for name, version in _versions(reference).items() if before.get(name) != version]
    if changed:
        raise RandomnessError(
            f"inference changes {', '.join(changed)} of the model: a graph has no state. Change it in train_step only, "
            "under `if self.training:`"
        )
    with seeded(1):
        second = reference.run_checked(slots, rows, f"{rows} rows")
    for name, values in first.items():
        if name not in second or not _same(values, second[name]):
            raise RandomnessError(_explained(reference, slots, name))
    return _absent(reference, slots)


def _versions(reference: Reference) -> dict[str, tuple[int, int]]:
    """Identity and version of every parameter and buffer: torch counts each change in place."""
    model = reference.model
    held = [*model.named_parameters(), *model.named_buffers()]
    return {name: (id(tensor), tensor._version) for name, tensor in held}


def _same(first: NDArray[Any], second: NDArray[Any]) -> bool:
    if first.shape != second.shape:
        return False
    apart = greatest_difference(first, second)
    if apart == 0 or first.dtype.kind != "f":
        return apart == 0
    finite = np.abs(first[np.isfinite(first)])
    return apart <= ULPS_BETWEEN_RUNS * float(np.spacing(finite.max(initial=0)))


def _explained(reference: Reference, slots: Slots, name: str) -> str:
    watch = OperatorWatch()
    with UserCode(), seeded(0), watch:
        reference.run(take(slots, [0]))
    said = f"output {name!r} is another each time the model is asked"
    if not watch.random:
        return f"{said}: the model draws random numbers outside torch, or keeps state from call to call. Remove it"
    operator, line = next(iter(watch.random.items()))
    cure = (
        "use nn.Dropout, or F.dropout(x, training=self.training), which is off at inference"
        if "dropout" in line or "bernoulli" in operator
        else "give the class an infer_batch that returns the deterministic part (of a variational model, the mean)"
    )
    return f"{said}: {operator} draws random numbers at {line}. {cure[0].upper()}{cure[1:]}"


def _absent(reference: Reference, slots: Slots) -> tuple[str, ...]:
    names: list[str] = []

    def look() -> Outputs:
        with evaluating(reference.model):
            names.extend(absent_outputs(reference.answer(reference.batch_of(slots))))
        return {}

    guarded(look, "the model")
    return tuple(names)
