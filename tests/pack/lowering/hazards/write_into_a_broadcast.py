FIELDS = {"data/x": ["float32", [1, 6], -3, 3]}
REFUSED = "shares its memory"


def to_tensor(data_dict):
    import numpy as np

    x = np.array(data_dict["data"]["x"])
    wide = np.broadcast_to(x, (len(x), 3, 6))
    x *= 2
    return wide + np.float32(0)
