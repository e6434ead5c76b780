FIELDS = {"cat/features": ["float64", [24], -300, 3000]}


def to_tensor(data_dict):
    import numpy as np

    return np.asarray(data_dict["cat"]["features"]).astype(np.float32)
