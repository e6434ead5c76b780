FIELDS = {"cat/mjd": ["float64", [], 58000, 61000]}


def to_tensor(data_dict):
    import numpy as np

    phase = 2 * np.pi * (np.asarray(data_dict["cat"]["mjd"]) % 1.0)
    return np.stack([np.sin(phase), np.cos(phase)], axis=1).astype(np.float32)
