FIELDS = {"data/x": ["uint64", [6], 0, 90], "data/y": ["uint8", [3, 6], 0, 255]}


def to_tensor(data_dict):
    import numpy as np

    x, y = np.asarray(data_dict["data"]["x"]), np.asarray(data_dict["data"]["y"])
    return x.max(axis=1), x.min(axis=1), y.sum(axis=2).max(axis=1)
