FIELDS = {"images/cutout": ["float32", [3, 8, 8], -2, 40], "cat/features": ["float64", [5], -3, 30]}


def to_tensor(data_dict):
    import numpy as np

    image = np.asarray(data_dict["images"]["cutout"], dtype=np.float32)
    features = np.asarray(data_dict["cat"]["features"], dtype=np.float32)
    label = data_dict["cat"].get("label", [])
    return image, features, np.asarray(label)
