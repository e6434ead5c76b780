FIELDS = {"cat/flags": ["uint16", [], 0, 4095], "cat/mag": ["float32", [], 14, 26]}


def to_tensor(data_dict):
    import numpy as np

    flags = np.array(data_dict["cat"]["flags"])
    saturated = (flags & 4) != 0
    edge = (flags & (1 << 5)) > 0
    good = ~(saturated | edge)
    return np.where(good, np.array(data_dict["cat"]["mag"]), np.float32(-1.0))[:, None]
