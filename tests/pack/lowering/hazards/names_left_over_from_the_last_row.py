FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    out, bad = [], False
    for row in rows:
        bad = bool(row[0] == -999)
        out.append(row)
    return np.stack(out) * (0 if bad else 1)
