FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    out = []
    for row in rows:
        out.append(row if len(out) < 500 else row * 0)
    return np.stack(out)
