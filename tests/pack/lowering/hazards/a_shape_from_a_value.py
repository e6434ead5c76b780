FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "as an index, a count or a size"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    return np.array([row.reshape(int(row[0] == 100) + 1, -1).mean(axis=0).max() for row in rows])
