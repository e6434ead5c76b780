FIELDS = {
    "data/flux_g": ["float32", [9, 9], -1, 20],
    "data/flux_r": ["float32", [9, 9], -1, 20],
    "data/flux_i": ["float32", [9, 9], -1, 20],
}


def to_tensor(data_dict):
    import numpy as np

    # Each of 'flux_*' have x/y pixel as indexes
    g = np.array(data_dict["data"]["flux_g"])
    r = np.array(data_dict["data"]["flux_r"])
    i = np.array(data_dict["data"]["flux_i"])

    # Stack g,r,i
    gri = np.array([g, r, i])

    # Move batch axis to the front
    return np.moveaxis(gri, 1, 0)
