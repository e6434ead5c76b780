FIELDS = {"data/x": ["float32", [3], 0, 1e-5]}


def to_tensor(data_dict):
    import numpy as np

    return np.array([np.allclose(r, 0, atol=7e-6) for r in data_dict["data"]["x"]])
