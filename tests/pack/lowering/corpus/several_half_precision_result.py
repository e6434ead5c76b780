FIELDS = {"data/x": ["float32", [6], -2, 40]}


def to_tensor(data_dict):
    import numpy as np

    return (np.asarray(data_dict["data"]["x"]) / 40).astype(np.float16)
