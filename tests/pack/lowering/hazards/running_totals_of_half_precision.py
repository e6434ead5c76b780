FIELDS = {"data/x": ["float16", [6], -9, 9]}
REFUSED = "rounds after every step"


def to_tensor(data_dict):
    import numpy as np

    return np.cumsum(np.asarray(data_dict["data"]["x"]), axis=1)
