FIELDS = {"data/x": ["float32", [6], -3, 3]}
BATCH = "joint"
REFUSED = "must be the rows"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    kept = x[x[:, 0] > -9]
    return kept
