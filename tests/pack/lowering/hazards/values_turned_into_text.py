FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "text"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    return x + len(str(x[0, 0]))
