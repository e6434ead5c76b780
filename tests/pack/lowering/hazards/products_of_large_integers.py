FIELDS = {"data/a": ["int64", [6], -9, 9]}
REFUSED = "products of integers"


def to_tensor(data_dict):
    import numpy as np

    return np.asarray(data_dict["data"]["a"]).prod(axis=1)[:, None]
