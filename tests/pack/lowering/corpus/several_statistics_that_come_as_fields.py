FIELDS = {
    "data/image": ["float32", [8, 8], -2, 40],
    "data/mean": ["float32", [], 0, 4],
    "data/std": ["float32", [], 0.5, 4],
}


def to_tensor(data_dict):
    import numpy as np

    d = data_dict["data"]
    x = np.asarray(d["image"])
    mean, std = np.asarray(d["mean"]), np.asarray(d["std"])
    return (x - mean.reshape(-1, 1, 1)) / std.reshape(-1, 1, 1)
