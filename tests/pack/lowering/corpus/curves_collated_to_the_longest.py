FIELDS = {"lc/flux": ["float32", ["flux.1"], -5, 60], "lc/mask": ["bool", ["mask.1"], 0, 1]}
FORM = "collated"


def to_tensor(data_dict):
    import numpy as np

    flux = np.where(data_dict["lc"]["mask"], data_dict["lc"]["flux"], 0.0)
    return np.stack([flux / 10.0, data_dict["lc"]["mask"]], axis=1).astype(np.float32)
