FIELDS = {"data/a": ["float32", [6], -3, 3]}
REFUSED = "as a list"


def to_tensor(data_dict):
    import numpy as np

    return np.stack(data_dict["data"]["a"] * 2)[: len(data_dict["data"]["a"])]
