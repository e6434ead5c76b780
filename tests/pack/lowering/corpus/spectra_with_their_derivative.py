FIELDS = {"spec/flux": ["float32", [64], 0.1, 30]}


def to_tensor(data_dict):
    import numpy as np

    flux = np.asarray(data_dict["spec"]["flux"])
    return np.stack([flux, np.gradient(flux, axis=1)], axis=1)
