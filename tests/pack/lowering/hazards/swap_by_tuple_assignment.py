FIELDS = {"data/x": ["float32", [6], -3, 3]}


def to_tensor(data_dict):
    import numpy as np

    x = np.array(data_dict["data"]["x"])
    x[:, 0], x[:, 1] = x[:, 1], x[:, 0]
    y = np.array(data_dict["data"]["x"])
    y[:, [0, 1]] = y[:, [1, 0]]
    return np.stack([x, y], axis=1)
