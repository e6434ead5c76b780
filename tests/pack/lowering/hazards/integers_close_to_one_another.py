FIELDS = {"data/x": ["uint8", [6], 0, 255]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    return np.isclose(x, x[:, ::-1], atol=2), np.isclose(x, 255, atol=2)
