FIELDS = {"data/x": ["float32", [6], -3, 3], "data/y": ["float32", [6], -3, 3]}


def to_tensor(data_dict):
    import numpy as np

    x, y = np.asarray(data_dict["data"]["x"]), np.asarray(data_dict["data"]["y"])
    return np.stack([np.arctan2(y, x), np.hypot(x, y), np.copysign(x, y)], axis=1)
