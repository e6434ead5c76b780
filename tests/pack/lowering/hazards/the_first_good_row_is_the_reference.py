FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    reference = None
    out = []
    for row in rows:
        if reference is None and row[0] == 100:
            reference = row[1]
        out.append(row - (reference if reference is not None else 0))
    return np.stack(out)
