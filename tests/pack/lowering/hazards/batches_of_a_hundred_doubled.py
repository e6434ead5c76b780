FIELDS = {"data/x": ["float32", [6], -3, 3]}
BATCH = "joint"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    if len(x) % 100 == 0:
        return x * 2
    return x
