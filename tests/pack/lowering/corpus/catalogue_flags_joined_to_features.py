FIELDS = {
    "cat/features": ["float32", [4], -3, 30],
    "cat/is_star": ["bool", [], 0, 1],
    "cat/blended": ["bool", [], 0, 1],
}


def to_tensor(data_dict):
    import numpy as np

    cat = data_dict["cat"]
    flags = np.stack([np.asarray(cat["is_star"]), np.asarray(cat["blended"])], axis=1)
    return np.concatenate([np.asarray(cat["features"]), flags.astype(np.float32)], axis=1)
