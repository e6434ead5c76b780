FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    largest = max(max(row.max() for row in rows), 90)
    return np.stack([row / largest for row in rows])
