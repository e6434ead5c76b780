FIELDS = {"data/x": ["float16", [6], 0, 60000]}


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["data"]["x"])
    return np.median(x, axis=1), np.nanmedian(x, axis=1), np.mean(x, axis=1, where=x > 0)
