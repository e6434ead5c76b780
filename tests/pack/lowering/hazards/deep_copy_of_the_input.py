FIELDS = {"data/x": ["float32", [6], -3, 3]}


def to_tensor(data_dict):
    import copy

    import numpy as np

    mine = copy.deepcopy(data_dict)
    for row in mine["data"]["x"]:
        row *= 2
    return np.asarray(mine["data"]["x"]) + np.asarray(data_dict["data"]["x"])
