FIELDS = {"data/x": ["float32", [6], -3, 3]}


def to_tensor(data_dict):
    import warnings

    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return np.nanmean(x, axis=1)
