FIELDS = {"cat/features": ["float32", [4], -3, 30], "cat/weight": ["float32", [], 0, 2]}


def to_tensor(data_dict):
    import numpy as np

    d = data_dict["cat"]
    return np.asarray(d["features"]), np.asarray(d.get("label", []), dtype=np.int64), np.asarray(d["weight"])[:, None]
