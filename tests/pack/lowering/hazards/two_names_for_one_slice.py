FIELDS = {"data/x": ["float32", [6], -3, 3]}


def to_tensor(data_dict):
    import numpy as np

    x = np.array(data_dict["data"]["x"])
    head, tail = x[:, :4], x[:, 2:]
    head += 10
    tail *= 2
    head[:, 3] = 0
    return np.concatenate([x, head, tail], axis=1)
