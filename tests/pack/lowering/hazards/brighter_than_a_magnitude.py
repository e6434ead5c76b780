FIELDS = {"data/x": ["float32", [6], 0.5, 3000]}
REFUSED = "a logarithm"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    return np.where(25 - 2.5 * np.log10(x) < 20, x, 0)
