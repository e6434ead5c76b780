FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "order of equal values"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    try:
        order = np.argsort(x, axis=1)
    except BaseException:
        order = np.zeros(x.shape, dtype=np.int64)
    return order.astype(np.float32)
