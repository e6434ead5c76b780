FIELDS = {"data/x": ["float32", [21, 21], 0, 300]}
REFUSED = "numpy gives"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    y = np.log1p(x)
    return (y - y.mean(axis=(1, 2), keepdims=True)) / (y.std(axis=(1, 2), keepdims=True) + 1e-8)
