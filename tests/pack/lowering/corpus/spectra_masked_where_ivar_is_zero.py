FIELDS = {"spec/flux": ["float32", [64], -3, 30], "spec/ivar": ["float32", [64], 0, 4]}


def to_tensor(data_dict):
    import numpy as np

    flux = np.asarray(data_dict["spec"]["flux"])
    ivar = np.asarray(data_dict["spec"]["ivar"])
    bad = ivar <= 0.5
    flux = np.where(bad, 0, flux)
    return np.stack([flux, np.sqrt(ivar), (~bad).astype(np.float32)], axis=1)
