"""A data set with one row that cannot be read."""

import os
import signal

import numpy as np
import torch


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


class KilledDigits:
    """At every fourth row the process that reads it is killed, as where memory is short."""

    def __len__(self):
        return 40

    def get_image(self, row):
        if row % 4 == 3 and torch.utils.data.get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.zeros((8, 8), dtype=np.float32)

    def get_label(self, row):
        return np.int64(row % 10)
