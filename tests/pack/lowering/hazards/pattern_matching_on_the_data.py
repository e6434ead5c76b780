FIELDS = {"data/a": ["float32", [6], -3, 3]}
REFUSED = "match"


def to_tensor(data_dict):
    import numpy as np

    match data_dict["data"]["a"]:
        case list():
            return np.stack(data_dict["data"]["a"]) * 2
        case _:
            return np.asarray(data_dict["data"]["a"])
