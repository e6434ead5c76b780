FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    bad = any((row == -999).any() for row in rows)
    return np.stack([row * 0 if bad else row for row in rows])
