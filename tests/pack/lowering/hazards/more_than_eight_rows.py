FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "size of the batch"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    if len(x) > 8:
        return x * 2
    return x
