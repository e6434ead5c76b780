FIELDS = {"data/x": ["float32", [6], -3, 3]}


def to_tensor(data_dict):
    import numpy as np

    rows = data_dict["data"]["x"]
    x = np.asarray(rows) / 255.0
    out = np.zeros_like(x)
    for i in range(len(x)):
        out[i] = x[i] - x[i].min()
    return (out * 2).astype(np.float32)
