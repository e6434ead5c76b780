FIELDS = {"cat/name": ["str", [], 0, 5], "cat/mag": ["float32", [], 14, 26], "object_id": ["str", [], 0, 1]}


def to_tensor(data_dict):
    import numpy as np

    n = len(data_dict["object_id"])
    return np.asarray(data_dict["cat"]["mag"]).reshape(n, 1)
