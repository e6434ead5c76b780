"""scikit-learn's handwritten digits: real images that need no download."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray


class DigitsDataset:
    """1,797 images of handwritten digits.

    Fields: `image` (8, 8) float32, counts of ink from 0 to 16; `label` int64, 0 to 9; `object_id` int64, the row.

    Notes
    -----
    The test part of "Optical Recognition of Handwritten Digits", Alpaydin & Kaynak 1998, UCI.

    Examples
    --------
    >>> digits = DigitsDataset()
    >>> len(digits), digits.get_image(0).shape, int(digits.get_label(0))
    (1797, (8, 8), 0)
    """

    row_shapes: ClassVar[Mapping[str, tuple[int, ...]]] = {"image": (8, 8), "label": (), "object_id": ()}
    units: ClassVar[Mapping[str, str]] = {"image": "count"}
    descriptions: ClassVar[Mapping[str, str]] = {
        "image": "inked pixels in each block of 4 x 4",
        "label": "the digit that was written",
    }

    def __init__(self) -> None:
        from sklearn.datasets import load_digits

        bunch = load_digits()
        self._images: NDArray[Any] = bunch.images.astype(np.float32)
        self._labels: NDArray[Any] = bunch.target.astype(np.int64)

    def __len__(self) -> int:
        return len(self._images)

    def get_image(self, row: int) -> NDArray[np.float32]:
        """Return one image, shape (8, 8)."""
        image: NDArray[np.float32] = self._images[row].copy()
        return image

    def get_label(self, row: int) -> np.int64:
        """Return the digit."""
        label: np.int64 = self._labels[row]
        return label

    def get_object_id(self, row: int) -> np.int64:
        """Return the row's number in the collection."""
        return np.int64(row)
