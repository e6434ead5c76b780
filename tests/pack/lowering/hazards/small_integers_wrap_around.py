FIELDS = {"data/a": ["uint8", [6], 0, 255], "data/b": ["int8", [6], -128, 127]}


def to_tensor(data_dict):
    import numpy as np

    a, b = np.asarray(data_dict["data"]["a"]), np.asarray(data_dict["data"]["b"])
    return np.stack([a + a, a * 3, a - 7, (b * b).astype(np.uint8), (-b).astype(np.uint8)], axis=1)
