"""A data set with one row that cannot be read."""

import numpy as np


class BrokenDigits:
    """Row 11 is lost."""

    def __len__(self):
        return 20

    def get_image(self, row):
        if row == 11:
            raise ValueError("lost to a cosmic ray\nin the camera")
        return np.zeros(3, dtype=np.float32)

    def get_object_id(self, row):
        return np.int64(row)
