FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "raises AssertionError"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    assert (x < 1e9).all()
    return x
