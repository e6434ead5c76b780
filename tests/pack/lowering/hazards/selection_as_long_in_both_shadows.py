FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "how much is selected"


def to_tensor(data_dict):
    import numpy as np

    out = []
    for row in data_dict["data"]["x"]:
        out.append(row[row == row.max()][:1])
    return np.stack(out)
