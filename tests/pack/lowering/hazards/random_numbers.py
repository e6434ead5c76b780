FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "random"


def to_tensor(data_dict):
    import numpy as np

    np.random.seed(0)
    x = np.asarray(data_dict["data"]["x"])
    return x + np.random.normal(size=x.shape[1:]).astype(np.float32)
