FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "selection"


def to_tensor(data_dict):
    import numpy as np

    return np.array([[row[row > 0].max()] for row in data_dict["data"]["x"]])
