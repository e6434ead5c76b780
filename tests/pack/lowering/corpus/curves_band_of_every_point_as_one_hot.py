FIELDS = {"lc/band": ["int8", [20], 0, 2], "lc/flux": ["float32", [20], -5, 60]}


def to_tensor(data_dict):
    import numpy as np

    band = np.asarray(data_dict["lc"]["band"])
    flux = np.asarray(data_dict["lc"]["flux"])
    hot = (band[..., None] == np.array([0, 1, 2])).astype(np.float32)
    return np.concatenate([flux[..., None], hot], axis=-1)
