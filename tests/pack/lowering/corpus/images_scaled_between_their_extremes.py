FIELDS = {"data/image": ["float32", [3, 10, 10], -3, 40]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["image"], dtype="float32")
    low = x.min(axis=(1, 2, 3), keepdims=True)
    high = x.max(axis=(1, 2, 3), keepdims=True)
    return (x - low) / (high - low + 1e-6)
