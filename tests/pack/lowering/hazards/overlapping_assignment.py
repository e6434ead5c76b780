FIELDS = {"data/x": ["float32", [6], -3, 3]}


def to_tensor(data_dict):
    import numpy as np

    x = np.array(data_dict["data"]["x"])
    x[:, 1:] = x[:, :-1]
    x[:, ::2] = x[:, ::-2]
    return x
