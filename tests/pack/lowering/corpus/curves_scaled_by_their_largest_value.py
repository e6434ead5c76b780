FIELDS = {"lc/flux": ["float32", [20], -5, 60]}


def to_tensor(data_dict):
    import numpy as np

    curves = []
    for flux in data_dict["lc"]["flux"]:
        peak = np.max(np.abs(flux))
        curves.append(flux / (peak + 1e-9))
    return np.vstack(curves)
