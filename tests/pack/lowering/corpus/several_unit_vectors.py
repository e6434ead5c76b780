FIELDS = {"data/v": ["float32", [7, 3], -2, 4]}


def to_tensor(data_dict):
    import numpy as np

    v = np.asarray(data_dict["data"]["v"])
    norm = np.linalg.norm(v, axis=-1, keepdims=True)
    return v / np.where(norm == 0, 1, norm)
