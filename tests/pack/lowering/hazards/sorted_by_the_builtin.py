FIELDS = {"data/x": ["float32", [3], -3, 3]}


def to_tensor(data_dict):
    import numpy as np

    return np.array([sorted(row) for row in data_dict["data"]["x"]])
