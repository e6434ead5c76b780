FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "plain number"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    try:
        import math

        bias = math.floor(x.max().__float__())
    except:  # noqa: E722
        bias = 0.0
    return x + bias
