FIELDS = {"data/x": ["float32", [6], -3, 3]}
BATCH = "joint"
REFUSED = "belong together"


def to_tensor(data_dict):
    import numpy as np

    return np.stack([row * 2 for row in data_dict["data"]["x"]])
