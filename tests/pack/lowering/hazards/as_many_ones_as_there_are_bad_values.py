FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "as an index, a count or a size"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    return np.array([row.sum() - np.ones((row == -999).sum()).sum() for row in rows])
