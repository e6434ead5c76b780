FIELDS = {"cat/features": ["float32", [4], -3, 30]}


def to_tensor(data_dict):
    import numpy as np

    features = np.asarray(data_dict["cat"]["features"])
    label = np.asarray(data_dict["cat"]["label"]) if "label" in data_dict["cat"] else None
    return features, label
