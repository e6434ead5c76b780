FIELDS = {
    "data/flux_i": ["float32", [8], -2, 40],
    "data/flux_g": ["float32", [8], -2, 40],
    "data/flux_r": ["float32", [8], -2, 40],
}


def to_tensor(data_dict):
    import numpy as np

    keys = sorted(key for key in data_dict["data"] if key.startswith("flux_"))
    return np.stack([np.asarray(data_dict["data"][key]) for key in keys], axis=1)
