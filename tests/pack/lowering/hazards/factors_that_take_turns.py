FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import itertools

    import numpy as np

    rows = data_dict["data"]["x"]
    factors = itertools.cycle([1.0] * 200 + [2.0])
    return np.stack([row * next(factors) for row in rows])
