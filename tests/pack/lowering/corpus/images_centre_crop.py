FIELDS = {"data/image": ["float32", [3, 15, 17], -3, 40]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["image"])
    size = 8
    h, w = x.shape[-2:]
    top, left = (h - size) // 2, (w - size) // 2
    return x[..., top : top + size, left : left + size]
