FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "errstate"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    try:
        with np.errstate(divide="raise"):
            return np.float32(1) / (x - np.float32(255.5))
    except FloatingPointError:
        return x * 0
