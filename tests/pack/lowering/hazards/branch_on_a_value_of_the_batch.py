FIELDS = {"data/x": ["float32", [6], 0, 300]}
BATCH = "joint"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    if x.max() > 100:
        return x / 255.0
    return x * np.float32(1.0)
