FIELDS = {"lc/flux": ["float32", [20], -5, 60], "lc/time": ["float32", [20], 0, 100]}


def to_tensor(data_dict):
    import numpy as np

    flux = np.asarray(data_dict["lc"]["flux"])
    time = np.asarray(data_dict["lc"]["time"])
    first = np.argmax(flux > 10, axis=1)
    t0 = time[np.arange(len(time)), first]
    return (time - t0[:, None]).astype(np.float32)
