FIELDS = {"data/x": ["float64", [6], -1e-9, 1e-9]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    return np.stack([np.log1p(x), np.expm1(x), np.arcsinh(x), np.sinh(x), np.arctan(x)], axis=1)
