FIELDS = {"data/x": ["uint8", [6], 0, 255]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    y = (x / 255).astype(np.float32)
    z = (x / 255 - 0.5).astype(np.float32)
    return np.stack([y, z, np.floor(x / 51).astype(np.float32), (x * 0.1).astype(np.float32)], axis=1)
