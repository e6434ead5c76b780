FIELDS = {"data/x": ["int64", [], 1, 90]}
REFUSED = "beyond 53 bits"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    return np.array([1.0 if int(row) > 9007199254740992.0 else 0.0 for row in rows])
