FIELDS = {"data/image": ["float32", [1, 16, 16], -3, 4000]}


def to_tensor(data_dict):
    import numpy as np

    data = np.asarray(data_dict["data"]["image"])
    data = np.clip(data, 0.0, None)
    return np.log1p(data)
