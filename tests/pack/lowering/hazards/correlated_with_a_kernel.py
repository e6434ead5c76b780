FIELDS = {"data/x": ["float32", [6], -9, 3]}


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    ends = np.stack([np.correlate(r, [1, 2, 3]) for r in rows])
    return ends, np.stack([np.correlate(r, np.array([1, 2, 1], np.float32), mode="same") for r in rows])
