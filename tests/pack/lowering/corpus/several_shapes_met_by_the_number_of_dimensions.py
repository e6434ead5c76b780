FIELDS = {"data/image": ["float32", [8, 8], -2, 40]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["image"])
    if x.ndim == 3:
        x = x[:, None]
    if x.shape[1] == 1:
        x = np.repeat(x, 3, axis=1)
    if x.dtype != np.float32:
        x = x.astype(np.float32)
    assert x.ndim == 4, f"expected a batch of images, got {x.ndim} dimensions"
    return x
