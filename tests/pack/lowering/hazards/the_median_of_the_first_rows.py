FIELDS = {"data/x": ["float32", [6], -3, 3]}
BATCH = "joint"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    return x - np.median(x[:200], axis=0)
