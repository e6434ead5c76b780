FIELDS = {"data/x": ["float32", [6], -3, 3]}
ASKED = ["data/weight"]


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    if "weight" in data_dict["data"]:
        x = x * np.asarray(data_dict["data"]["weight"])[:, None]
    return x
