FIELDS = {"data/a": ["int64", [6], -9, 9]}


def to_tensor(data_dict):
    import numpy as np

    a = np.asarray(data_dict["data"]["a"])
    return np.stack([a.sum(axis=1), np.cumsum(a, axis=1)[:, -1], (a * 3).sum(axis=1)], axis=1)
