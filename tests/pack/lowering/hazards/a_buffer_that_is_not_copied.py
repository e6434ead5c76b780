FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    buffer = np.zeros(6, np.float32)
    out = []
    for row in rows:
        buffer[:] = row
        out.append(buffer)
    return np.stack(out)
