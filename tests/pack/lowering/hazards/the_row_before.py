FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    out, before = [], np.zeros(6, dtype=np.float32)
    for row in data_dict["data"]["x"]:
        out.append(row - before)
        before = row
    return np.stack(out)
