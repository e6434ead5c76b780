FIELDS = {"cat/features": ["float64", [4], -3, 3]}
LOWERS = False


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["cat"]["features"])
    if np.isnan(x).any():
        raise ValueError("NaN in the features")
    return x.astype(np.float32)
