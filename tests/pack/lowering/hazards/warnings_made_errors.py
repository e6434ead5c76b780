FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = ""


def to_tensor(data_dict):
    import numpy as np

    with np.errstate(all="raise"):
        return 1 / np.asarray(data_dict["data"]["x"])
