FIELDS = {"data/x": ["float64", [6], -3, 3]}
REFUSED = "runs in Python only"


def to_tensor(data_dict):
    import time

    import numpy as np

    return np.asarray(data_dict["data"]["x"]) + time.time()
