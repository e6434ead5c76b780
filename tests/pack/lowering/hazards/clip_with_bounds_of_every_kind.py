FIELDS = {"data/x": ["float32", [6], -3, 3], "data/k": ["uint8", [6], 0, 255]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    k = np.asarray(data_dict["data"]["k"])
    parts = [np.clip(x, 0, 1), np.clip(x, -np.inf, 1.0), np.clip(x, 2, -2), np.clip(x, None, x[:, ::-1])]
    parts += [np.clip(k, 3, 300), np.clip(x, np.nan, 1.0), x.clip(min=-1), np.clip(x, -0.0, 0.0)]
    return np.concatenate(parts, axis=1).astype(np.float32)
