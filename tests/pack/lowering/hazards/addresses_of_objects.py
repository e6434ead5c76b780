FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "beyond the data"


def to_tensor(data_dict):
    import numpy as np

    return np.asarray(data_dict["data"]["x"]) + id(data_dict) % 7
