FIELDS = {"data/x": ["int16", [2], 0, 90]}
REFUSED = "may not fit into uint8"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    out = np.zeros((len(rows), 2), np.uint8)
    for i, row in enumerate(rows):
        out[i, 0] = int(row[0])
    return out
