FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    factors = [1.0] * 400 + [2.0] * 5000
    return np.stack([row * factors.pop(0) for row in rows])
