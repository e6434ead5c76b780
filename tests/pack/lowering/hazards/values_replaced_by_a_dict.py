FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "in a set or dict"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    known = {-999.0: 0.0}
    out = []
    for row in rows:
        try:
            first = np.float32(known.get(row[0], row[0]))
        except Exception:
            first = row[0]
        out.append(first)
    return np.array(out)
