FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "in a set or dict"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    out = []
    for row in rows:
        try:
            bad = row[0] in {-999.0, -99.0}
        except TypeError:
            bad = False
        out.append(row * 0 if bad else row)
    return np.stack(out)
