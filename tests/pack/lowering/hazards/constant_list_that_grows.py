FIELDS = {"data/x": ["float32", [6], -3, 3]}
SEEN = []
REFUSED = "outlives a call"


def to_tensor(data_dict):
    import numpy as np

    SEEN.append(1)
    return np.asarray(data_dict["data"]["x"]) * len(SEEN)
