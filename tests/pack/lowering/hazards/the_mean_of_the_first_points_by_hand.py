FIELDS = {"data/x": ["float32", ["x.1"], -3, 3]}
FORM = "stacked"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    first = x[:, :10]
    return first.sum(axis=1) / first.shape[1]
