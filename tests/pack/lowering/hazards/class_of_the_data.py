FIELDS = {"data/a": ["float32", [6], -3, 3]}
REFUSED = "object itself"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["a"]
    return np.stack(rows) * (2 if rows.__class__ is list else 1)
