FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "identity"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    return np.array([1.0 if (row[0] > 2) is np.True_ else 0.0 for row in rows])
