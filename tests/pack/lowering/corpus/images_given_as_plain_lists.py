FIELDS = {"data/image": ["float64", [6, 6], 0, 1]}
ELEMENT = "python"


def to_tensor(data_dict):
    import numpy as np

    return np.array(data_dict["data"]["image"], dtype=np.float32).reshape(-1, 1, 6, 6)
