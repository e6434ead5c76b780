FIELDS = {"cat/features": ["float32", [6], -3, 30]}
MEAN = [1.0, 2.5, -0.5, 11.0, 0.0, 3.25]
STD = [0.5, 1.5, 2.0, 4.0, 1.0, 0.75]


def to_tensor(data_dict):
    import numpy as np

    x = np.asarray(data_dict["cat"]["features"])
    return ((x - np.array(MEAN)) / np.array(STD)).astype(np.float32)
