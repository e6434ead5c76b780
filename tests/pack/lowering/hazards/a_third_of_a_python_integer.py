FIELDS = {"data/x": ["int64", [], 1, 90]}
REFUSED = "beyond 53 bits"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    return np.array([int(row) / 3 for row in rows])
