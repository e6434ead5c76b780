FIELDS = {"data/x": ["float32", [6], -3, 3]}
REFUSED = "warnings are turned"


def to_tensor(data_dict):
    import warnings

    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.log(x)
        except RuntimeWarning:
            return x * 0
