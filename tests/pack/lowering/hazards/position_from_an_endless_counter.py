FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "touch one another"


def to_tensor(data_dict):
    import itertools

    import numpy as np

    rows = data_dict["data"]["x"]
    numbers = itertools.count()
    return np.stack([row if next(numbers) < 300 else row * 0 for row in rows])
