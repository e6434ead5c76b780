FIELDS = {"data/x": ["float64", [4], 1, 2000]}
REFUSED = "an edge in a value whose last digits"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    out = np.zeros(x.shape, np.int64)
    out[:, 1:] = np.log10(x[:, 1:])
    return out
