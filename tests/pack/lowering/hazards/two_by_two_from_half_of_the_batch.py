FIELDS = {"data/x": ["float32", [6], -3, 3]}
BATCH = "joint"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    quarter = x[: len(x) // 4 + 1]
    return x * quarter.shape[0] if quarter.shape[0] == 2 else x * 3
