FIELDS = {"cat/features": ["float32", [4], -3, 30]}


def to_tensor(data_dict):
    import numpy as np

    features = np.asarray(data_dict["cat"]["features"])
    labels = data_dict["cat"].get("label")
    if labels is None:
        labels = np.full(len(features), -1, dtype=np.int64)
    return features, np.asarray(labels)
