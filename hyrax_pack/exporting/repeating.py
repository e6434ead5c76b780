"""Does inference answer the same way twice? Random numbers, and state that it changes, are refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from hyrax_pack.errors import RandomnessError
from hyrax_pack.exporting.answering import Outputs, check_rows, guarded
from hyrax_pack.exporting.lasting import attributes_restored
from hyrax_pack.exporting.modes import evaluating, on_one_thread, seeded
from hyrax_pack.exporting.outputs import absent_outputs
from hyrax_pack.exporting.reference import Reference
from hyrax_pack.exporting.slots import Slots, take
from hyrax_pack.exporting.watching import UserCode


def check_repeatable(reference: Reference, slots: Slots, rows: int) -> tuple[str, ...]:
    """Run inference twice, from different seeds, and compare bit for bit; look for state that it changes.

    All runs are on one thread, where equal input gives equal bits: how small a difference is says nothing of its cause.
    A parameter or buffer that changes is refused. Anything else may change (a cache by length is common): it is put
    back, other rows go first, and the answer must still be the same.

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
    with on_one_thread():
        _check_repeatable(reference, slots, rows)
        return _absent(reference, slots)


def _check_repeatable(reference: Reference, slots: Slots, rows: int) -> None:
    with attributes_restored(reference.model) as changed:
        before = _versions(reference.model)
        first = _answer(reference, slots, rows, seed=0)
        written = [name for name, version in _versions(reference.model).items() if before.get(name) != version]
        if written:
            raise RandomnessError(
                f"inference changes {', '.join(written)} of the model: a graph has no state. Change it in train_step "
                "only, or under `if self.training:`"
            )
        _check_same(reference, slots, first, _answer(reference, slots, rows, seed=1))
        kept = changed()
    _check_history(reference, slots, rows, first, kept)


def _check_history(reference: Reference, slots: Slots, rows: int, first: Outputs, kept: Sequence[str]) -> None:
    """Hold the first answer against the same one after other rows, ordinary and far ones, whatever seemed to change."""
    ordinary = take(slots, range(rows - 1, rows // 2, -1))
    far = tuple(slot * 3 + 1 if slot is not None and slot.dtype.kind == "f" else slot for slot in slots)
    for others in (ordinary, far):
        with attributes_restored(reference.model):
            with UserCode(), seeded(0):  # the model may refuse made-up rows
                reference.run(others, keep_state=True)
            after_others = _answer(reference, slots, rows, seed=0)
        if not _agree(first, after_others):
            raise RandomnessError(
                f"inference keeps {', '.join(kept[:5]) or 'something'} from call to call, and later answers depend on "
                "it: a graph has no state. Compute it in __init__ or train_step, or anew in each call"
            )


def _answer(reference: Reference, slots: Slots, rows: int, *, seed: int) -> Outputs:
    with seeded(seed):
        outputs = guarded(lambda: reference.run(slots, keep_state=True), f"the model, given {rows} rows")
    check_rows(outputs, rows, f"{rows} rows")
    return outputs


def _versions(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Identity and version of every parameter and buffer: torch counts each change in place."""
    held: list[tuple[str, Tensor]] = [*model.named_parameters(), *model.named_buffers()]
    return {name: (id(tensor), tensor._version) for name, tensor in held}


def _check_same(reference: Reference, slots: Slots, first: Outputs, second: Outputs) -> None:
    for name, values in first.items():
        if name not in second or not is_repeated(values, second[name]):
            raise RandomnessError(_explained(reference, slots, name))


def _agree(first: Outputs, second: Outputs) -> bool:
    return list(first) == list(second) and all(is_repeated(values, second[name]) for name, values in first.items())


def is_repeated(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Whether two answers are one, bit for bit but for the payload of a NaN."""
    return bool(np.array_equal(first, second, equal_nan=first.dtype.kind in "fc"))


def _explained(reference: Reference, slots: Slots, name: str) -> str:
    with seeded(0):
        watch = reference.watch(take(slots, [0]))
    said = f"output {name!r} is another each time the model is asked"
    if not watch.random:
        return f"{said}: the model draws random numbers outside torch, or keeps state from call to call. Remove it"
    operator, line = next(iter(watch.random.items()))
    cure = (
        "Use nn.Dropout, or F.dropout(x, training=self.training), which is off at inference"
        if "dropout" in line or "bernoulli" in operator
        else "Give the class an infer_batch that returns the deterministic part (of a variational model, the mean)"
    )
    return f"{said}: {operator} draws random numbers ({line}). {cure}"


def _absent(reference: Reference, slots: Slots) -> tuple[str, ...]:
    names: list[str] = []

    def look() -> Outputs:
        with evaluating(reference.model), attributes_restored(reference.model):
            names.extend(absent_outputs(reference.answer(reference.batch_of(slots))))
        return {}

    guarded(look, "the model")
    return tuple(names)
