FIELDS = {"cat/flags": ["int32", [], 0, 4095]}


def to_tensor(data_dict):
    import numpy as np

    flags = np.asarray(data_dict["cat"]["flags"])
    bits = (flags[:, None] >> np.arange(12)) & 1
    return bits.astype(np.float32)
