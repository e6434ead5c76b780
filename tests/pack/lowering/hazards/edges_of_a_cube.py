FIELDS = {"data/x": ["float32", [6], 0.5, 3000]}
REFUSED = "a power"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    return np.floor(np.cbrt(x))
