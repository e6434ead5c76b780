FIELDS = {"lc/flux": ["float32", [20], -5, 60]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["lc"]["flux"])
    rise = x.max(axis=1) - x[:, 0]
    fall = x.max(axis=1) - x[:, -1]
    detections = np.count_nonzero(x > 5, axis=1)
    return np.stack([rise, fall, detections], axis=1).astype(np.float32)
