FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "size of the batch"


def to_tensor(data_dict):
    import numpy as np

    out = [row * 2 for row in data_dict["data"]["x"]]
    scale = 3.0 if len(out) > 1000 else 1.0
    return np.stack(out) * scale
