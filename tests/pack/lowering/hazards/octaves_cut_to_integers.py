FIELDS = {"data/x": ["float32", [6], 0.5, 3000]}
REFUSED = "a logarithm"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    return np.log2(np.maximum(x, 1)).astype(np.int64)
