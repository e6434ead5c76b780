FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "position"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    weights = np.ones(4096, np.float32)
    weights[1024:] = 0.5
    out = np.zeros((len(rows), 6), np.float32)
    for i, row in enumerate(rows):
        out[i] = row * weights[i]
    return out
