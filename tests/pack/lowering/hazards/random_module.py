FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "runs in Python only"


def to_tensor(data_dict):
    import random

    import numpy as np

    return np.asarray(data_dict["data"]["x"]) * random.random()
