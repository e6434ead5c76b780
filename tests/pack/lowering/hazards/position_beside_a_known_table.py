FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "not one per row"


def to_tensor(data_dict):
    import numpy as np

    weights = np.arange(1000.0)
    return np.stack([row * w for row, w in zip(data_dict["data"]["x"], weights)])
