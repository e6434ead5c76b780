"""Random rows of any shape: for trying a model's plumbing, or its speed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hyrax_pack.errors import DataError


class RandomDataset:
    """Rows made when they are asked for; the same row is the same every time.

    Fields: `image` of `shape`, float32 from a normal distribution; `label` int64; `object_id` int64, the row.

    Parameters
    ----------
    rows : int
        How many rows.
    shape : sequence of int
        The shape of one image.
    classes : int
        Labels are 0 … classes - 1.
    seed : int
        Another seed gives other rows.
    nan_share : float
        The share of pixels that are NaN, 0 to 1.
    """

    def __init__(
        self,
        rows: int = 1000,
        shape: Sequence[int] = (8, 8),
        classes: int = 10,
        seed: int = 0,
        nan_share: float = 0.0,
    ) -> None:
        if rows < 0 or classes < 1 or not 0 <= nan_share <= 1 or any(size < 1 for size in shape):
            raise DataError(
                f"RandomDataset(rows={rows}, shape={list(shape)}, classes={classes}, nan_share={nan_share}): "
                "expected rows of at least 0, sizes and classes of at least 1, a share from 0 to 1"
            )
        self._rows = rows
        self._shape = tuple(shape)
        self._classes = classes
        self._seed = seed
        self._nan_share = nan_share
        self.row_shapes = {"image": self._shape, "label": (), "object_id": ()}

    def __len__(self) -> int:
        return self._rows

    def get_image(self, row: int) -> NDArray[np.float32]:
        """Return one image of `shape`."""
        generator = self._generator(row)
        image = generator.standard_normal(math.prod(self._shape), dtype=np.float32).reshape(self._shape)
        if self._nan_share:
            image[generator.random(self._shape) < self._nan_share] = np.nan
        return image

    def get_label(self, row: int) -> np.int64:
        """Return a label that has nothing to do with the image."""
        return np.int64(self._generator(row, 1).integers(self._classes))

    def get_object_id(self, row: int) -> np.int64:
        """Return the row's number."""
        return np.int64(row)

    def _generator(self, row: int, field: int = 0) -> np.random.Generator:
        return np.random.default_rng((self._seed, row, field))
