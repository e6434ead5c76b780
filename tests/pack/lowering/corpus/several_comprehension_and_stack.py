FIELDS = {"data/image": ["float64", [8, 8], -2, 40]}


def to_tensor(data_dict):
    import numpy as np

    return np.stack([np.asarray(image, dtype=np.float32)[None] for image in data_dict["data"]["image"]])
