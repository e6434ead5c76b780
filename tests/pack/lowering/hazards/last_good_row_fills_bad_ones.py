FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    out, last = [], np.zeros(6, np.float32)
    for row in rows:
        if row[0] != -999:
            last = row
        out.append(last)
    return np.stack(out)
