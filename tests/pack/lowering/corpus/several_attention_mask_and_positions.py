FIELDS = {"data/tokens": ["int64", [12], 0, 30]}


def to_tensor(data_dict):
    import numpy as np

    tokens = np.asarray(data_dict["data"]["tokens"])
    mask = (tokens != 0).astype(np.int64)
    positions = np.cumsum(mask, axis=1) * mask
    return tokens, mask, positions
