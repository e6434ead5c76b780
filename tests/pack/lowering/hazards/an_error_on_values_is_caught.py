FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "is caught"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    out = []
    for row in rows:
        try:
            value = row[row > 2.5][0]
        except IndexError:
            value = np.float32(-1)
        out.append(value)
    return np.array(out)
