FIELDS = {"data/image": ["float32", [9, 9], -1, 4], "data/ivar": ["float32", [9, 9], 0, 9]}


def to_tensor(data_dict):
    import numpy as np

    image = np.asarray(data_dict["data"]["image"])
    ivar = np.asarray(data_dict["data"]["ivar"])
    snr = image * np.sqrt(np.clip(ivar, 0, None))
    return np.stack([image, snr], axis=1)
