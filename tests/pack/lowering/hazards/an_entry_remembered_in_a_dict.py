FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    first = {}
    out = []
    for row in rows:
        if row[1] == 100:
            row = first.setdefault("row", row)
        out.append(row)
    return np.stack(out)
