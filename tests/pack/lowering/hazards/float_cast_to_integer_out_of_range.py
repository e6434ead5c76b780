FIELDS = {"data/x": ["float32", [6], -300, 300]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    return np.stack([x.astype(np.uint8), x.astype(np.int8).astype(np.uint8)], axis=1)
