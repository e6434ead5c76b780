FIELDS = {
    "cat/mag_g": ["float32", [], 14, 26],
    "cat/mag_r": ["float32", [], 14, 26],
    "cat/mag_i": ["float32", [], 14, 26],
    "cat/mag_z": ["float32", [], 14, 26],
}


def to_tensor(data_dict):
    import numpy as np

    cat = data_dict["cat"]
    return np.stack([cat["mag_g"], cat["mag_r"], cat["mag_i"], cat["mag_z"]], axis=1).astype(np.float32)
