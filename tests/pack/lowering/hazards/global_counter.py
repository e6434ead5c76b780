FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "outlives a call"
CALLS = 0


def to_tensor(data_dict):
    global CALLS
    import numpy as np

    CALLS += 1
    return np.asarray(data_dict["data"]["x"]) * CALLS
