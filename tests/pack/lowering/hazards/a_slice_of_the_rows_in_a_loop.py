FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "length depends on the data"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    x = np.asarray(rows)
    out = np.zeros_like(x)
    for i, row in enumerate(x[:200]):
        out[i] = row
    return out
