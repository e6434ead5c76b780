FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    out, i = [], 0
    for row in data_dict["data"]["x"]:
        out.append(row + i)
        i += 1
    return np.stack(out)
