FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    out, scale = [], np.float32(1)
    for row in rows:
        if (row == 255).any():
            scale = np.float32(2)
        out.append(row / scale)
    return np.stack(out)
