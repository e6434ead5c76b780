FIELDS = {"data/x": ["float32", [6], -3, 3]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"]) * 2
    return np.stack([np.round(x) / 2, np.floor(x + 0.5), np.trunc(x)], axis=1)
