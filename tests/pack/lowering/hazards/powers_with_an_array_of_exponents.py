FIELDS = {"data/x": ["float32", [3], -3, 30]}
REFUSED = "exponents"


def to_tensor(data_dict):
    import numpy as np

    return np.asarray(data_dict["data"]["x"]) ** np.array([0.5, 1.0, 2.0], dtype=np.float32)
