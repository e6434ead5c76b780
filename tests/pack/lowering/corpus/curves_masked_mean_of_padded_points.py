FIELDS = {"lc/flux": ["float32", [30], -5, 60], "lc/valid": ["bool", [30], 0, 1]}


def to_tensor(data_dict):
    import numpy as np

    flux = np.asarray(data_dict["lc"]["flux"])
    valid = np.asarray(data_dict["lc"]["valid"])
    count = np.maximum(valid.sum(axis=1, keepdims=True), 1)
    mean = (flux * valid).sum(axis=1, keepdims=True) / count
    return np.stack([np.where(valid, flux - mean, 0.0), valid], axis=-1).astype(np.float32)
