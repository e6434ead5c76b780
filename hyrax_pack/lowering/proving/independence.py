"""Does a row give the same alone as in a batch? What is traced one row at a time must."""

from __future__ import annotations

import numpy as np
from hyrax_runtime.manifest import Reason

from hyrax_pack.lowering.proving.calling import Function, FunctionRaised, call_original
from hyrax_pack.lowering.proving.comparing import TOLERANCE, find_difference
from hyrax_pack.lowering.proving.noise import ShakenFunction, measure_noise
from hyrax_pack.lowering.proving.samples import Samples, take_rows

SIZES = (2, 3, 17, 67)
_COUPLED = "a loop over the rows in which rows touch one another, or the size of the batch counts"


def check_independence(function: Function, shaken: ShakenFunction, samples: Samples, *, seed: int = 1) -> Reason | None:
    """Compare every row of some batches with what the function gives for it alone; return why not, or None."""
    random = np.random.default_rng(seed)
    for size in SIZES:
        columns = samples.draw(size, random)
        try:
            together = call_original(function, samples, columns)
            alone = [call_original(function, samples, take_rows(columns, slice(row, row + 1))) for row in range(size)]
        except FunctionRaised as error:
            return Reason(f"it raises for ordinary rows: {error}")
        for place, whole in enumerate(together):
            if whole is None or not len(whole):
                continue
            parts = [one[place] for one in alone]
            if any(part is None or part.shape[1:] != whole.shape[1:] for part in parts):
                return Reason(_COUPLED, hint="write it for whole arrays, without the loop")
            single = np.concatenate([part for part in parts if part is not None])
            relative = TOLERANCE.get(whole.dtype, 0.0)
            if find_difference(whole, single, relative) is None:
                continue
            noise = measure_noise(shaken, samples, columns, together)
            if find_difference(whole, single, relative, noise[place]):
                return Reason(_COUPLED, hint="write it for whole arrays, without the loop")
    return None
