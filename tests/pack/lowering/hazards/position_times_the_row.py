FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "position"


def to_tensor(data_dict):
    import numpy as np

    return np.stack([row * i for i, row in enumerate(data_dict["data"]["x"])])
