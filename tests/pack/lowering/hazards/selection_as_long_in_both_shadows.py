FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "slot 0 has a dimension"


def to_tensor(data_dict):
    import numpy as np

    out = []
    for row in data_dict["data"]["x"]:
        out.append(row[row == row.max()][:1])
    return np.stack(out)
