FIELDS = {"cat/features": ["float32", [5], -3, 30]}
NAN = 0.1


def to_tensor(data_dict):
    import numpy as np

    x = np.array(data_dict["cat"]["features"], dtype=np.float32)
    x[x == -999.0] = np.nan
    missing = np.isnan(x)
    x[missing] = 0.0
    return np.hstack([x, missing.astype(np.float32)])
