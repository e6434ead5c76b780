FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    out = []
    for row in rows:
        if len(out) == 512:
            out = [np.zeros(6, np.float32)] * 512
        out.append(row)
    return np.stack(out)
