FIELDS = {"data/x": ["float64", [2], -2, 40]}


def to_tensor(data_dict):
    import math

    import numpy as np

    rows = []
    for x in data_dict["data"]["x"]:
        rows.append([math.atan2(x[1], x[0]), math.hypot(x[0], x[1])])
    return np.array(rows, dtype=np.float32)
