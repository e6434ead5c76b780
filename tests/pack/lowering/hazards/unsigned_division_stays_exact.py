FIELDS = {"data/a": ["uint8", [6], 0, 255]}


def to_tensor(data_dict):
    import numpy as np

    return np.asarray(data_dict["data"]["a"]) / 255
