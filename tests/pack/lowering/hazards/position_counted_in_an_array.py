FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    seen = np.zeros(1)
    out = []
    for row in rows:
        seen[0] += 1
        out.append(row if seen[0] < 300 else row * 0)
    return np.stack(out)
