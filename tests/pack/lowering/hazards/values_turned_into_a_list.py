FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "turned into a list"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    return np.array(x.tolist(), dtype=np.float32)
