FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "in a set or dict"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    return x * {5: 2.0}.get(len(x), 1.0)
