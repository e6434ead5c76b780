FIELDS = {"data/x": ["float64", [6], -3, 3]}
REFUSED = "beyond the data"


def to_tensor(data_dict):
    import numpy as np

    now = np.datetime64("now").astype("datetime64[us]").astype(np.float64)
    return np.asarray(data_dict["data"]["x"]) + now % 7
