FIELDS = {"data/x": ["float64", [6], -7.1, 7.1]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    return np.cosh(x * 100), np.sinh(x * 100)
