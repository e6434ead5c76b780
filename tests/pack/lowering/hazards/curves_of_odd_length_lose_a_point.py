FIELDS = {"data/x": ["float32", ["x.1"], -3, 3]}
FORM = "stacked"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    if x.shape[1] % 2:
        x = x[:, :-1]
    return x.sum(axis=1)
