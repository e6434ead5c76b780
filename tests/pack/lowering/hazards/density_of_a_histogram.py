FIELDS = {"data/x": ["float32", [9], -9, 9]}


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    return np.stack([np.histogram(r, bins=5, range=(-3, 9), density=True)[0] for r in rows])
