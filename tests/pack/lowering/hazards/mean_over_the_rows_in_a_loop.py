FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    mean = np.mean(rows, axis=0)
    return np.stack([row - mean for row in rows])
