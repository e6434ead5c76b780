FIELDS = {"data/x": ["float32", [1, 6], -3, 3]}


def to_tensor(data_dict):
    import numpy as np

    return np.stack([np.squeeze(row) for row in data_dict["data"]["x"]])
