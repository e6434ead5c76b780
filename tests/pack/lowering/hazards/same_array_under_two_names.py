FIELDS = {"data/x": ["float32", [6], -3, 3]}
FORM = "stacked"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    y = data_dict["data"]["x"]
    y[:, 0] = 5
    return x + y
