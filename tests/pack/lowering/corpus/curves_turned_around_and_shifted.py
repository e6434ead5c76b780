FIELDS = {"lc/flux": ["float32", [20, 3], -5, 60]}


def to_tensor(data_dict):
    import numpy as np

    x = np.flip(np.asarray(data_dict["lc"]["flux"]), axis=1)
    return np.swapaxes(np.roll(x, 1, axis=1), 1, 2)
