FIELDS = {"data/x": ["float32", [3], -3, 3]}


def to_tensor(data_dict):
    import numpy as np

    return np.array([[max(row[0], row[1]), min(row[1], 0.0), abs(row[2])] for row in data_dict["data"]["x"]])
