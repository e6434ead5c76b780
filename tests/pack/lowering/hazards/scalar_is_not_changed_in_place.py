FIELDS = {"data/x": ["float32", [6], -3, 3]}


def to_tensor(data_dict):
    import numpy as np

    out = []
    for row in data_dict["data"]["x"]:
        total = row.sum()
        before = total
        total += 1
        out.append(np.array([before, total]))
    return np.stack(out)
