FIELDS = {
    "lc/time": ["float64", [20], 0, 300],
    "lc/period": ["float64", [], 0.2, 20],
    "lc/mag": ["float64", [20], 14, 22],
}


def to_tensor(data_dict):
    import numpy as np

    time = np.asarray(data_dict["lc"]["time"])
    period = np.asarray(data_dict["lc"]["period"])[:, None]
    phase = (time / period) % 1.0
    order = np.argsort(phase, axis=1, kind="stable")
    mag = np.take_along_axis(np.asarray(data_dict["lc"]["mag"]), order, axis=1)
    return np.stack([np.take_along_axis(phase, order, axis=1), mag], axis=1).astype(np.float32)
