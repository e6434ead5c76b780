FIELDS = {"lc/time": ["float64", [20], 58000, 58100], "lc/mag": ["float64", [20], 14, 22]}


def to_tensor(data_dict):
    import numpy as np

    time = np.asarray(data_dict["lc"]["time"])
    dt = np.diff(time, axis=1, prepend=time[:, :1])
    dm = np.diff(np.asarray(data_dict["lc"]["mag"]), axis=1, prepend=0.0)
    return np.stack([dt, dm], axis=1).astype(np.float32)
