FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "list"


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    try:
        x.tolist()
    finally:
        return x  # noqa: B012
