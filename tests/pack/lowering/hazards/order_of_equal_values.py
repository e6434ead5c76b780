FIELDS = {"data/x": ["int32", [40], 0, 3]}
REFUSED = "order of equal values"


def to_tensor(data_dict):
    import numpy as np

    return np.argsort(np.asarray(data_dict["data"]["x"]), axis=1)
