FIELDS = {"data/kind": ["int64", [], 0, 2], "data/x": ["float32", [6], -3, 3]}


def to_tensor(data_dict):
    import numpy as np

    scale = [1.0, 2.0, 4.0]
    return np.stack([row * scale[kind] for row, kind in zip(data_dict["data"]["x"], data_dict["data"]["kind"])])
