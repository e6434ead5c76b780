FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    held = np.zeros(6, np.float32)
    out = []
    for row in rows:
        held = np.where(row == -999, held, row)
        out.append(held)
    return np.stack(out)
