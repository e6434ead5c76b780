FIELDS = {"cat/ra": ["float64", [], 0, 360], "cat/dec": ["float64", [], -90, 90]}


def to_tensor(data_dict):
    import numpy as np

    ra = np.deg2rad(np.asarray(data_dict["cat"]["ra"]))
    dec = np.deg2rad(np.asarray(data_dict["cat"]["dec"]))
    xyz = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
    return xyz.astype(np.float32)
