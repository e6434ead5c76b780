FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "math raises"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    try:
        import math

        bias = math.floor(float(x.max()))
    except:  # noqa: E722
        bias = 0.0
    return x + bias
