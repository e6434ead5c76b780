FIELDS = {"lc/flux": ["float32", [20], -5, 600]}


def to_tensor(data_dict):
    import numpy as np

    flux = np.asarray(data_dict["lc"]["flux"], dtype=np.float32)
    mag = np.full_like(flux, 99.0)
    good = flux > 0
    mag[good] = -2.5 * np.log10(flux[good]) + 25.0
    return mag
