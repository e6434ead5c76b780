FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    x = np.asarray(rows)
    largest = np.maximum(x.max(axis=0), 90)
    return np.stack([row / largest for row in x])
