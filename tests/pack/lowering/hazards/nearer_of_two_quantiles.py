FIELDS = {"data/x": ["float32", [6], -9, 3]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    return np.percentile(x, [10, 30, 50, 70, 90], axis=1, method="nearest").T
