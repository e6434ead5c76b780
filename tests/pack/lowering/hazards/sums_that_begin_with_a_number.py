FIELDS = {"data/x": ["float32", [5, 19], -9, 9]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    begun = [np.sum(x, axis=axis, initial=0.1) for axis in (1, 2, (1, 2))]
    rows = np.array([np.sum(r, initial=r[0, 0]) > 3 for r in data_dict["data"]["x"]])
    return begun[0], begun[1] > 2, begun[2], rows
