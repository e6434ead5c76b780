FIELDS = {"data/x": ["uint8", [4, 4, 3], 0, 255]}


def to_tensor(data_dict):
    import numpy as np

    return np.asarray(data_dict["data"]["x"])[..., ::-1] / 255
