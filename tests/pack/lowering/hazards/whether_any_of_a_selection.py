FIELDS = {"data/x": ["float32", [6], -9, 3]}


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    return np.array([(r[r > 0] > 2).any() for r in rows]), np.array([(r[r > 0] > 2).all() for r in rows])
