FIELDS = {"spec/flux": ["float32", [40], -1, 30]}
NAN = 0.1


def to_tensor(data_dict):
    import numpy as np

    flux = np.array(data_dict["spec"]["flux"], dtype=np.float32)
    mean = np.nanmean(flux, axis=1, keepdims=True)
    std = np.nanstd(flux, axis=1, keepdims=True)
    z = (flux - mean) / (std + 1e-5)
    return np.nan_to_num(z, nan=0.0, posinf=0.0, neginf=0.0)
