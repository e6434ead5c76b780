FIELDS = {"data/x": ["float32", [6], -3, 3]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    weight = 1 / (x * x + 1)
    return weight * x[:, ::-1], (1 / (x[:, 0] + 9)) * x[:, 1]
