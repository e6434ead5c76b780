FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "outlives a call"


def to_tensor(data_dict):
    import numpy as np

    to_tensor.calls = getattr(to_tensor, "calls", 0) + 1
    return np.asarray(data_dict["data"]["x"]) * to_tensor.calls
