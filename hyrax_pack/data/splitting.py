"""Which row goes to which group: a seeded permutation cut by fractions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.errors import DataError

# Where the configuration gives no fraction at all; training gets the rest.
DEFAULT_FRACTIONS = {"validate": 0.1, "test": 0.1}
REST = "rest"
# So far from 1 may shares be that make a whole: 0.7 + 0.2 + 0.1 is 0.9999999999999999.
_EQUAL = 1e-9


def split_rows(
    count: int, fractions: Mapping[str, float | None], seed: int, *, separate: frozenset[str] = frozenset()
) -> dict[str, NDArray[np.int64]]:
    """Deal `count` rows to groups; every row goes to one group at most.

    Parameters
    ----------
    count : int
        How many rows there are.
    fractions : mapping of str to float or None
        Group to its share; None: not set. `train` takes what the others leave where it is not set, and where the shares
        make a whole, however they round. Where none is set: 0.8 to train, 0.1 each to validate and test.
    seed : int
        The same seed gives the same split, on any machine and numpy.
    separate : frozenset of str
        Groups with a data set of their own, which take no share.

    Returns
    -------
    dict of str to ndarray, shape (rows,), int64
        Each group's rows, ascending; `rest` holds what no group got, where there is any.

    Raises
    ------
    DataError
        A group with a share would get no row, or training none.
    """
    given = {group: share for group, share in fractions.items() if share is not None}
    shares = {group: share for group, share in (given or DEFAULT_FRACTIONS).items() if group not in separate}
    train_share = shares.pop("train", None)
    counts = {group: _count(share, count) for group, share in shares.items() if share > 0}
    left = count - sum(counts.values())
    is_rest = train_share is None or train_share + sum(shares.values()) > 1 - _EQUAL
    counts["train"] = left if is_rest else min(left, _count(train_share or 0.0, count))
    empty = [group for group, rows in counts.items() if rows < 1]
    if empty:
        dealt = ", ".join(f"{group} {max(0, rows)}" for group, rows in counts.items())
        raise DataError(
            f"split: {count} rows leave none for {empty[0]} ({dealt}); give more rows, or other fractions in [split]: "
            "train = 1.0 holds none out"
        )
    # RandomState, not Generator: its stream never changes between versions of numpy.
    order = np.random.RandomState(seed).permutation(count).astype(np.int64)
    ends = np.cumsum(list(counts.values()))
    parts = dict(zip([*counts, REST], np.split(order, ends), strict=True))
    return {group: np.sort(rows) for group, rows in parts.items() if len(rows) or group != REST}


def _count(share: float, count: int) -> int:
    """A share in rows; one at least, because a group that was asked for should not vanish in rounding."""
    return max(1, round(share * count)) if share > 0 else 0
