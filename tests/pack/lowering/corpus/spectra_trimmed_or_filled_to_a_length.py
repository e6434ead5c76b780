FIELDS = {"spec/flux": ["float32", [50], -1, 30]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["spec"]["flux"])
    length = 64
    if x.shape[1] >= length:
        return x[:, :length]
    return np.pad(x, ((0, 0), (0, length - x.shape[1])))
