FIELDS = {"data/image": ["float32", [8, 8], 0, 300]}
BATCH = "joint"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["image"], dtype=np.float32)
    if x.max() > 1.5:
        x = x / 255.0
    return x[:, None]
