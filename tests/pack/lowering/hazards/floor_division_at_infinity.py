FIELDS = {"data/x": ["float32", [6], -30, 30], "data/y": ["float32", [6], -3, 3]}


def to_tensor(data_dict):
    import numpy as np

    x, y = np.asarray(data_dict["data"]["x"]), np.asarray(data_dict["data"]["y"])
    return np.stack([x // y, x % y, np.fmod(x, y), x // 2.5], axis=1)
