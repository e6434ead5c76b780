FIELDS = {"data/x": ["float64", [], 1, 2000], "data/y": ["float64", [], 1, 2000]}
REFUSED = "an edge in a value whose last digits"


def to_tensor(data_dict):
    import numpy as np

    data = data_dict["data"]
    x, y = np.asarray(data["x"]), np.asarray(data["y"])
    return np.array([x, np.log10(y)], dtype=np.int64).T
