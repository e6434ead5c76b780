"""Rows far beyond the data: where the model gives numbers there, the graph must not overflow, nor the other way round.

How large the answers are there is not compared: tolerances are those of the data's range. But an operator that is
written in a form that overflows (log(sigmoid(x)) for logsigmoid) shows by its infinities.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hyrax_runtime.errors import HyraxError
from hyrax_runtime.session import Session
from numpy.typing import NDArray

from hyrax_pack.errors import ParityError
from hyrax_pack.exporting.answering import Answering, Outputs
from hyrax_pack.exporting.constant_rows import CAUSE, constant_rows
from hyrax_pack.exporting.slots import Layout, Slots, row_count, take
from hyrax_pack.exporting.watching import UserCode

FACTORS = (10.0, -10.0, 100.0, -100.0, 1000.0, -1000.0)
ROWS = 8
OVERFLOW = (
    "One of them overflows and the other does not: keep what goes into exp, log and powers in bounds, for instance "
    "with torch.clamp"
)


def check_far_rows(session: Session, reference: Answering, layout: Layout, pool: Slots) -> None:
    """Run rows of the data times 10, 100 and 1000, of both signs, through model and graph.

    Raises
    ------
    ParityError
        One of the two gives a number where the other one gives none.
    """
    rows = take(pool, [at % row_count(pool) for at in range(ROWS)])
    if not any(slot is not None and slot.dtype.kind == "f" for slot in rows):
        return
    for factor in FACTORS:
        far = tuple(_times(slot, factor) for slot in rows)
        wanted: Outputs | None = None
        with UserCode():  # made-up rows, which the model may refuse
            wanted = reference.run(far)
        if wanted is None:
            continue
        try:
            found = session.run(layout.feed(far))
        except HyraxError as error:
            raise ParityError(
                f"rows of the data times {factor:g}: the model answers, the graph fails: {error}"
            ) from error
        for name, values in wanted.items():
            _compare(name, values, found[name], factor, constant_rows(far))


def _compare(name: str, wanted: NDArray[Any], found: NDArray[Any], factor: float, constant: NDArray[np.bool_]) -> None:
    if wanted.dtype.kind != "f" or wanted.shape != found.shape:
        return
    apart = np.argwhere(np.isfinite(wanted) != np.isfinite(found))
    if len(apart):
        at = tuple(apart[0])
        cause = CAUSE if constant[apart[:, 0]].all() and not constant.all() else OVERFLOW
        raise ParityError(
            f"output {name!r}, rows of the data times {factor:g}: row {at[0]} is {found[at]!s} in the graph and "
            f"{wanted[at]!s} in torch. {cause}",
            output=name,
        )


def _times(slot: NDArray[Any] | None, factor: float) -> NDArray[Any] | None:
    if slot is None or slot.dtype.kind != "f":
        return slot
    with np.errstate(all="ignore"):
        return (slot * factor).astype(slot.dtype)
