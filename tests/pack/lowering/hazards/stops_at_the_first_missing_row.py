FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    out = np.zeros((len(rows), 6), np.float32)
    for i, row in enumerate(rows):
        if row[0] == -999:
            break
        out[i] = row
    return out
