FIELDS = {"lc/series": ["float32", [30, 4], 0, 60]}


def to_tensor(data_dict):
    import numpy as np

    x = np.array(data_dict["lc"]["series"])
    x[:, :, 0] = x[:, :, 0] - x[:, :1, 0]
    x[:, :, 1] -= x[:, :, 1].mean(axis=1, keepdims=True)
    return x
