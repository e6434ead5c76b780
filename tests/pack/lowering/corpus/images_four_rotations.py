FIELDS = {"data/image": ["float32", [9, 9], -1, 4]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["image"])
    return np.stack([np.rot90(x, k, axes=(1, 2)) for k in range(4)], axis=1)
