FIELDS = {"lc/flux": ["ragged", [20], -5, 60]}
LOWERS = False


def to_tensor(data_dict):
    import numpy as np

    length = 32
    out = np.zeros((len(data_dict["lc"]["flux"]), length), dtype=np.float32)
    for i, flux in enumerate(data_dict["lc"]["flux"]):
        n = min(len(flux), length)
        out[i, :n] = flux[:n]
    return out
