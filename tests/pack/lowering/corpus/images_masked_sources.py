FIELDS = {"data/image": ["float32", [9, 9], -2, 50], "data/mask": ["bool", [9, 9], 0, 1]}


def to_tensor(data_dict):
    import numpy as np

    x = np.array(data_dict["data"]["image"])
    mask = np.array(data_dict["data"]["mask"])
    x[mask] = 0.0
    return np.stack([x, mask.astype(x.dtype)], axis=1)
