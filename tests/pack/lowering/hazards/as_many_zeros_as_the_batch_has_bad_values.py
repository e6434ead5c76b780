FIELDS = {"data/x": ["float32", [6], -3, 3]}
BATCH = "joint"
REFUSED = "as an index, a count or a size"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    return x - np.zeros(int((x == -999).sum())).size
