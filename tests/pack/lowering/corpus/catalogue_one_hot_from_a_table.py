FIELDS = {"cat/band": ["int64", [], 0, 5], "cat/mag": ["float32", [], 14, 26]}


def to_tensor(data_dict):
    import numpy as np

    band = np.asarray(data_dict["cat"]["band"])
    one_hot = np.eye(6, dtype=np.float32)[band]
    return np.concatenate([np.asarray(data_dict["cat"]["mag"])[:, None], one_hot], axis=1)
