FIELDS = {"data/a": ["int32", [], 1, 90], "data/b": ["int32", [], 1, 90], "data/c": ["int32", [], 1, 90]}
REFUSED = "beyond 64 bits"


def to_tensor(data_dict):
    import numpy as np

    d = data_dict["data"]
    return np.array([float(int(a) * int(b) * int(c)) / 1e6 for a, b, c in zip(d["a"], d["b"], d["c"])])
