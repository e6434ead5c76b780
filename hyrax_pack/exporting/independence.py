"""Does a row's answer depend on its neighbours? Measured: rows alone, together, twice, and in another order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from hyrax_runtime.difference import greatest_difference

from hyrax_pack.errors import CoupledRowsError
from hyrax_pack.exporting.noise import Answer, NoiseReport

Batch = Literal["independent", "joint"]


def prove_independence(answers: Sequence[Answer], noise: NoiseReport, declared: Batch) -> dict[str, Any]:
    """Hold every batch's rows against the same rows among all others.

    Returns
    -------
    dict
        The batch proof of the manifest: `declared`, `measured`, the batch `sizes` tried, and for each output the
        greatest difference and the tolerance.

    Raises
    ------
    CoupledRowsError
        Rows touch one another, or change their shape with the batch, and `declared` is `independent`.
    """
    outputs: dict[str, Any] = {}
    coupled = None
    for name, measured in noise.outputs.items():
        worst, where, differing = _worst(name, answers, measured.tolerance)
        outputs[name] = {"difference": worst if np.isfinite(worst) else "infinite", "tolerance": measured.tolerance}
        if len(differing) > measured.unstable:
            coupled = coupled or (name, worst, where)
    if coupled is not None and declared == "independent":
        name, worst, where = coupled
        raise CoupledRowsError(
            f"output {name!r}: the same row answers differently by {worst:.3g} among {answers[0].trial.label} and in a "
            f"batch of {where} (rounding explains {noise.outputs[name].tolerance:.2g}): rows depend on one another. "
            "Look for statistics over the first axis (mean(0), softmax(0), a norm without running statistics); if the "
            'whole batch is meant to be the unit, set batch = "joint" under [model]'
        )
    return {
        "declared": declared,
        "measured": "joint" if coupled is not None else "independent",
        "sizes": sorted({answer.trial.size for answer in answers if answer.trial.rows is not None}),
        "outputs": outputs,
    }


def _worst(name: str, answers: Sequence[Answer], tolerance: float) -> tuple[float, str, set[int]]:
    """Return the greatest difference of a row from itself, the batch it was in, and the pool's rows that differ."""
    pool = answers[0].narrow[name]
    worst, where, differing = 0.0, "one", set[int]()
    for answer in answers[1:]:
        if answer.trial.rows is None:
            continue
        found = answer.narrow[name]
        for at, row in enumerate(answer.trial.rows):
            same_shape = pool[row].shape == found[at].shape
            apart = greatest_difference(pool[row], found[at]) if same_shape else np.inf
            if apart > tolerance:
                differing.add(row)
            if apart > worst:
                worst, where = apart, answer.trial.label
    return worst, where, differing
