FIELDS = {"data/image": ["float32", [9, 9], -2, 50]}


def to_tensor(data_dict):
    import numpy as np

    out = np.zeros((len(data_dict["data"]["image"]), 1, 9, 9), dtype=np.float32)
    for i, image in enumerate(data_dict["data"]["image"]):
        std = image.std()
        if std > 0:
            out[i, 0] = (image - image.mean()) / std
        else:
            out[i, 0] = image - image.mean()
    return out
