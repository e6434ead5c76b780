FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "whole process"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    np.seterr(all="raise")
    return x * 2
