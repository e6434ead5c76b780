FIELDS = {"data/x": ["float64", [], -9, 3]}
REFUSED = "a Python number is rounded"


def to_tensor(data_dict):
    import numpy as np

    return np.array([round(float(v), 2) for v in data_dict["data"]["x"]])
