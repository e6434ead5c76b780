FIELDS = {"data/x": ["int64", [6], 0, 3]}
BATCH = "joint"
REFUSED = "does not lower"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    return np.searchsorted(np.unique(x), x)
