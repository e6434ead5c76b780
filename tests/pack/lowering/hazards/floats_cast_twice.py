FIELDS = {"data/x": ["float64", [6], 0, 900]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    whole = (x * 1e7).astype(np.int64)
    return whole.astype(np.int16), whole.astype(np.uint8)
