FIELDS = {"data/a": ["float32", [6], -3, 3], "data/b": ["float32", [6], -3, 3]}
REFUSED = "as a list"


def to_tensor(data_dict):
    import numpy as np

    both = data_dict["data"]["a"] + data_dict["data"]["b"]
    return np.stack(both[: len(data_dict["data"]["a"])])
